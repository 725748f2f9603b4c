"""Where written samples go: a WAV file with our own header, or the FLAC encoder."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixcli.audio.opening import SequentialFile
from mixcli.audio.parts import target_name
from mixcli.audio.raw_output import RawOutput
from mixcli.audio.wav_header import BroadcastExtension, TagName, bext_chunk, info_chunk, wav_header
from mixcli.errors import OutputError


class WavSink:
    """A WAV file: header, samples, and the header again once the length is known.

    Until then the header says 0 samples, so that a file left unfinished is recognised.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        n_channels: int,
        bits: int,
        is_float: bool,
        tags: Mapping[TagName, str],
        riff_limit: int,
    ) -> None:
        """Open the file and write its first header at the first samples."""
        self.broadcast_extension: BroadcastExtension | None = None
        self._sample_rate, self._n_channels = sample_rate, n_channels
        self._bits, self._is_float = bits, is_float
        self._info = info_chunk(tags)
        self._riff_limit = riff_limit
        self._n_samples = 0
        self._n_header = 0
        self._file = RawOutput(path)

    def write(self, samples_TC: NDArray[np.int32] | NDArray[np.float32]) -> None:
        """Append integers of `bits` bits, or float32."""
        if self._n_header == 0:
            self._n_header = self._file.write(self._header(0))
        if self._is_float:
            data = samples_TC.astype("<f4", copy=False).tobytes()
        else:
            data = _packed(samples_TC, self._bits // 8)
        self._file.write(data)
        self._n_samples += len(samples_TC)

    def finish(self) -> None:
        """Write the header that tells the length, and close the file."""
        if self._n_samples * self._n_channels * self._bits // 8 % 2:
            self._file.write(b"\0")
        header = self._header(self._n_samples)
        if self._n_header not in (0, len(header)):
            raise ValueError("the broadcast extension must keep its length once samples are written")
        self._file.seek(0)
        self._file.write(header)
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with contextlib.suppress(OutputError):
            self._file.close()

    def _header(self, n_samples: int) -> bytes:
        extension = self.broadcast_extension
        return wav_header(
            sample_rate=self._sample_rate,
            n_channels=self._n_channels,
            bits=self._bits,
            is_float=self._is_float,
            n_samples=n_samples,
            extra_chunks=(bext_chunk(extension) if extension else b"") + self._info,
            riff_limit=self._riff_limit,
        )


def _packed(samples_TC: NDArray[Any], n_bytes: int) -> bytes:
    """The low bytes of each integer, which as little-endian numbers are the shorter integers."""
    wide_N4 = np.ascontiguousarray(samples_TC, dtype="<i4").view(np.uint8).reshape(-1, 4)
    packed = np.empty((len(wide_N4), n_bytes), np.uint8)
    for place in range(n_bytes):  # one place after the other is five times as fast as a slice of all
        packed[:, place] = wide_N4[:, place]
    return packed.tobytes()


class _EncoderOutput:
    """The file the encoder writes to. It keeps the first failure, since none can pass through the encoder."""

    def __init__(self, path: Path) -> None:
        self.error: OutputError | None = None
        self._file = RawOutput(path)

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data) if self.error is None else 0
        except OutputError as error:
            self.error = error
            return 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class FlacSink:
    """A FLAC file of 16 or 24 bits. The encoder gets exact integers and so neither rounds nor clips."""

    def __init__(
        self, path: Path, *, sample_rate: int, n_channels: int, bits: int, tags: Mapping[TagName, str]
    ) -> None:
        """Open the file; `tags` become Vorbis comments (the encoder adds its name to `software`)."""
        self._path = path
        self._n_samples = 0
        self._shift = 32 - bits
        self._output = _EncoderOutput(path)
        with self._encoding():
            self._encoder = SequentialFile(
                self._output, "w", sample_rate, n_channels, subtype=f"PCM_{bits}", format="FLAC"
            )
            for tag, text in tags.items():
                setattr(self._encoder, tag, text)

    def write(self, samples_TC: NDArray[np.int32]) -> None:
        """Append integers of `bits` bits."""
        with self._encoding():
            self._encoder.write(np.ascontiguousarray(samples_TC << self._shift, dtype=np.int32))
        self._n_samples += len(samples_TC)

    def finish(self) -> None:
        """Write what the encoder holds back and the length, and close the file; E505 without any samples."""
        if self._n_samples == 0:  # the encoder leaves a file that no decoder opens
            raise OutputError(
                f'"{target_name(self._path)}": a FLAC file needs samples.', code="E505", hint="a WAV file."
            )
        with self._encoding():
            self._encoder.close()
        self._output.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with contextlib.suppress(OutputError, soundfile.LibsndfileError):
            self._encoder.close()
        with contextlib.suppress(OutputError):
            self._output.close()

    @contextlib.contextmanager
    def _encoding(self) -> Iterator[None]:
        """Raise the failure of the file where the encoder only knows that something failed."""
        try:
            yield
        except (soundfile.LibsndfileError, AssertionError) as error:
            if self._output.error is None:
                raise
            raise self._output.error from error
        if self._output.error is not None:
            raise self._output.error

"""Writing mixes: WAV and FLAC whose bytes depend on the samples and the arguments alone."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import amplitude_to_db
from mixcli.audio.output import atomic_output
from mixcli.audio.parts import target_name
from mixcli.audio.quantise import Quantiser
from mixcli.audio.sinks import FlacSink, WavSink
from mixcli.audio.wav_header import RIFF_LIMIT, BroadcastExtension, TagName
from mixcli.audio.wording import clock_time
from mixcli.errors import OutputError

Container = Literal["wav", "flac"]
BitDepth = Literal["16", "24", "32f"]

PART = 8192  # samples that are rounded and packed in one go: few enough to stay in the cache
MOST_DITHER = 2.0  # LSB, with the rounding: samples so far inside full scale cannot leave it


class MixWriter:
    """Write one mono or stereo audio file, block by block.

    It writes to `path` itself: give it the temporary of `atomic_output`, so that the file appears whole,
    and can be read back and measured before it does. Integers are rounded here, with TPDF dither where
    `dither_seed` is given; 32-bit float is never dithered. Nothing is clipped: what does not fit is an
    error. A WAV file that would pass 4 GiB becomes RF64.

    Raises OutputError: E502 the disk is full or fails; E503 samples that are not finite; E504 a sample
    beyond full scale in an integer format; E505 what the container cannot hold.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        n_channels: int,
        container: Container,
        bit_depth: BitDepth,
        dither_seed: int | None = None,
        software: str | None = None,
        tags: Mapping[TagName, str] | None = None,
        broadcast_extension: BroadcastExtension | None = None,
        riff_limit: int = RIFF_LIMIT,
    ) -> None:
        """Open the file; `software` is one more tag, the extension is for WAV, `riff_limit` in bytes."""
        if n_channels not in (1, 2):
            raise ValueError(f"mixes have 1 or 2 channels, not {n_channels}")
        self.n_samples = 0
        self._path, self._sample_rate, self._n_channels = path, sample_rate, n_channels
        self._bits = 32 if bit_depth == "32f" else int(bit_depth)
        is_float = bit_depth == "32f"
        self._quantiser = None if is_float else Quantiser(self._bits, n_channels, dither_seed)
        all_tags: dict[TagName, str] = {**(tags or {})}
        if software is not None:
            all_tags["software"] = software
        self._sink: WavSink | FlacSink
        if container == "wav":
            self._sink = WavSink(
                path,
                sample_rate=sample_rate,
                n_channels=n_channels,
                bits=self._bits,
                is_float=is_float,
                tags=all_tags,
                riff_limit=riff_limit,
            )
            self._sink.broadcast_extension = broadcast_extension
        elif is_float:
            raise OutputError(
                f'"{target_name(path)}": FLAC holds 16 or 24 bits, not 32-bit float.',
                code="E505",
                hint="24 bits, or a WAV file.",
            )
        else:
            self._sink = FlacSink(
                path, sample_rate=sample_rate, n_channels=n_channels, bits=self._bits, tags=all_tags
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._sink.abandon()
            return
        try:
            self.write(np.zeros((0, self._n_channels), np.float32))  # a file without samples is one too
            self._sink.finish()
        except BaseException:
            self._sink.abandon()
            raise

    def write(self, block_TC: NDArray[np.floating]) -> NDArray[np.float32]:
        """Append a block [T, C], float32 or float64, full scale 1; return it as it reads from the file."""
        if block_TC.ndim != 2 or block_TC.shape[1] != self._n_channels:
            raise ValueError(f"a block is [T, {self._n_channels}], not {block_TC.shape}")
        written_TC = np.empty(block_TC.shape, np.float32)
        for start in range(0, len(block_TC), PART):
            part = slice(start, start + PART)
            self._write_part(block_TC[part], written_TC[part])
        if not self.n_samples:
            self._write_part(block_TC, written_TC)
        return written_TC

    def _write_part(self, block_TC: NDArray[np.floating], written_TC: NDArray[np.float32]) -> None:
        low, high = float(block_TC.min(initial=0.0)), float(block_TC.max(initial=0.0))
        if not (np.isfinite(low) and np.isfinite(high)):
            first = int(np.argmin(np.isfinite(block_TC).all(axis=1)))
            raise OutputError(
                f'"{target_name(self._path)}": the mix has invalid samples (first at '
                f"{self._time(first)}); not written.",
                code="E503",
            )
        if self._quantiser is not None:
            top = 2 ** (self._bits - 1)
            levels_TC = self._quantiser.push(block_TC)
            if max(high, -low) * top + MOST_DITHER > top - 1:
                self._refuse_clipping(levels_TC)
            whole_TC = levels_TC.astype(np.int32)
            np.multiply(whole_TC, np.float32(1 / top), out=written_TC, casting="same_kind")
            self._sink.write(whole_TC)
        elif isinstance(self._sink, WavSink):
            written_TC[:] = block_TC
            self._sink.write(written_TC)
        self.n_samples += len(block_TC)

    def replace_broadcast_extension(self, extension: BroadcastExtension) -> None:
        """Put another bext chunk in the place of the first, say with the loudness that was measured.

        It must have a coding history of the same length. In FLAC nothing changes.
        """
        if isinstance(self._sink, WavSink):
            self._sink.broadcast_extension = extension

    def _refuse_clipping(self, levels_TC: NDArray[np.float64]) -> None:
        """E504 when a whole number in LSB does not fit."""
        top = 2 ** (self._bits - 1)
        if levels_TC.max(initial=0) > top - 1 or levels_TC.min(initial=0) < -top:
            beyond_T = ((levels_TC > top - 1) | (levels_TC < -top)).any(axis=1)
            peak_dbfs = amplitude_to_db(np.abs(levels_TC[beyond_T]).max() / top)
            raise OutputError(
                f'"{target_name(self._path)}" would clip: it reaches {peak_dbfs:+.2f} dBFS at '
                f"{self._time(int(np.argmax(beyond_T)))}, and {self._bits}-bit integers end below 0 dBFS.",
                code="E504",
                hint="lower the level, or write 32-bit float.",
            )

    def _time(self, sample: int) -> str:
        return clock_time((self.n_samples + sample) / self._sample_rate, decimals=1)


def write_audio(
    path: Path,
    blocks: Iterable[NDArray[np.floating]],
    *,
    sample_rate: int,
    n_channels: int,
    container: Container,
    bit_depth: BitDepth,
    dither_seed: int | None = None,
    tags: Mapping[TagName, str] | None = None,
) -> int:
    """Write blocks [T, C] to a file that appears whole or not at all; returns its length in samples."""
    with (
        atomic_output(path) as partial,
        MixWriter(
            partial,
            sample_rate=sample_rate,
            n_channels=n_channels,
            container=container,
            bit_depth=bit_depth,
            dither_seed=dither_seed,
            tags=tags,
        ) as writer,
    ):
        for block_TC in blocks:
            writer.write(block_TC)
    return writer.n_samples

"""Reading audio files: the samples in blocks, with every kind of damage named.

Decoders forgive: a WAV file cut in half reads as a shorter one, a pipe waits for ever, NaN passes. So
header lengths are compared with the file's size before anything is decoded (`read_info`), and samples are
counted and checked.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixcli.audio.decibels import amplitude_to_db
from mixcli.audio.downmix import fold_to_stereo
from mixcli.audio.headers import AudioInfo, read_info
from mixcli.audio.opening import SequentialFile, cut_short, open_regular, open_sound, unreadable
from mixcli.audio.packed_pcm import PackedPcm, packed_pcm
from mixcli.audio.wording import clock_time, clock_times, display_name
from mixcli.errors import SongError

__all__ = ["AudioInfo", "AudioReader", "check_channels", "display_name", "read_info"]

HIGHEST_LEVEL = 1e4  # +80 dBFS is no recording but integers written as floats, or a broken export
MPEG_SLACK = 2 * 1152  # decoders may drop the first and the last frame of an MP3 file
SCAN_SAMPLES = 65_536
INTEGERS = ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "ULAW", "ALAW")
# Where a decoder's seek lands on the sample; elsewhere the way there is decoded and dropped.
EXACT_SEEK = (*INTEGERS, "FLOAT", "DOUBLE")


def check_channels(info: AudioInfo, *, downmix: bool) -> None:
    """Refuse a file of more than two channels with SongError E315, unless it is to be folded down."""
    if info.n_channels > 2 and not downmix:
        raise SongError(
            f'"{display_name(info.path)}" has {info.n_channels} channels; stems are mono or stereo.',
            code="E315",
            hint="--downmix",
        )


class AudioReader:
    """The samples of one audio file, block by block, as float32.

    Integers are scaled by 2^-(bits-1); 32-bit integers and 64-bit floats are rounded to the nearest
    float32. Floats above full scale stay as they are. A file of more than two channels is folded to stereo
    (`fold_to_stereo`). The samples are the same whatever the block sizes and wherever reading starts. With
    `repair`, non-finite samples are read as zeros; `n_repaired` counts those read so far.
    """

    def __init__(self, info: AudioInfo, *, repair: bool = False) -> None:
        """Open the file; raises SongError E311 when it is not the one any more that `info` was read from."""
        self.info = info
        self.n_channels = min(info.n_channels, 2)
        self.n_repaired = 0
        self._repair = repair
        self._position = 0
        self._open_files = ExitStack()
        self._sound, self._packed = self._open_files.enter_context(_open_again(info))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice does no harm."""
        self._open_files.close()

    def seek(self, sample: int) -> None:
        """Go on reading at a sample; at or past the end, the next block is empty."""
        sample = min(max(sample, 0), self.info.n_samples)
        if self._packed is not None:
            pass  # each block is read from where it lies
        elif self.info.subtype in EXACT_SEEK:
            with self._decoding():
                self._sound.seek(sample)
        else:
            if sample < self._position:
                self.close()
                self._sound, self._packed = self._open_files.enter_context(_open_again(self.info))
                self._position = 0
            while self._position < sample:
                self._position += len(self._decode(min(SCAN_SAMPLES, sample - self._position)))
        self._position = sample

    def read(self, n_samples: int) -> NDArray[np.float32]:
        """The next samples, [<= n_samples, C]; empty at the end of the file.

        Raises SongError: E312 when fewer samples come than the header promised, E314 for samples that are not
        finite (unless repaired), E317 for samples beyond 10,000 times full scale.
        """
        n_samples = min(n_samples, self.info.n_samples - self._position)
        if n_samples <= 0:
            return np.zeros((0, self.n_channels), np.float32)
        block_TC = self._decode(n_samples)
        if self.info.subtype not in INTEGERS:
            low, high = block_TC.min(), block_TC.max()
            if not (low >= -HIGHEST_LEVEL and high <= HIGHEST_LEVEL):  # false for NaN as well
                block_TC = self._judge(block_TC)
        self._position += n_samples
        return fold_to_stereo(block_TC) if self.info.n_channels > 2 else block_TC

    def _decode(self, n_samples: int) -> NDArray[np.float32]:
        block_TC: NDArray[np.float32]
        if self._packed is not None:
            try:
                block_TC = self._packed.read(self._position, n_samples)
            except OSError as error:
                raise self._ends_at(self._position, "is cut short or damaged") from error
        else:
            with self._decoding():
                block_TC = self._sound.read(n_samples, dtype="float32", always_2d=True)
        n_missing = n_samples - len(block_TC)
        if n_missing == 0:
            return block_TC
        stop = self._position + len(block_TC)
        if self.info.container != "MP3" or self.info.n_samples - stop > MPEG_SLACK:
            raise self._ends_at(stop, "is cut short")
        return np.concatenate([block_TC, np.zeros((n_missing, self.info.n_channels), np.float32)])

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Tell a decoder's failure with the file's name and time; the decoder itself knows neither."""
        try:
            yield
        except soundfile.LibsndfileError as error:
            raise self._ends_at(self._position, "is cut short or damaged") from error

    def _ends_at(self, sample: int, what: str) -> SongError:
        rate = self.info.sample_rate
        header, end = clock_times(self.info.n_samples / rate, sample / rate)
        return cut_short(self.info.path, f"header says {header}, data ends at {end}", what=what)

    def _judge(self, block_TC: NDArray[np.float32]) -> NDArray[np.float32]:
        """The block without its non-finite samples, if that was asked for; else the error that fits."""
        finite_TC = np.isfinite(block_TC)
        if not finite_TC.all() and not self._repair:
            raise _invalid_samples(self.info)
        self.n_repaired += int(np.count_nonzero(~finite_TC.all(axis=1)))
        block_TC = np.where(finite_TC, block_TC, np.float32(0))
        peaks_T = np.abs(block_TC).max(axis=1)
        if peaks_T.max() > HIGHEST_LEVEL:
            first_s = (self._position + int(np.argmax(peaks_T > HIGHEST_LEVEL))) / self.info.sample_rate
            name, time = display_name(self.info.path), clock_time(first_s, decimals=1)
            raise SongError(
                f'"{name}" has samples at {amplitude_to_db(peaks_T.max()):+.0f} dBFS (first at {time}).',
                code="E317",
                hint=f'no recording is that loud: re-export it, or --exclude "{name}".',
            )
        return block_TC


@contextmanager
def _open_again(info: AudioInfo) -> Iterator[tuple[SequentialFile, PackedPcm | None]]:
    """The decoder of a file whose headers were read before; its descriptor is closed with it.

    With it what reads the file without the decoder, where that is possible.
    """
    with open_regular(info.path) as (descriptor, n_bytes), open_sound(descriptor, info.path) as sound:
        found = (n_bytes, sound.samplerate, sound.channels, sound.subtype)
        if found != (info.n_bytes, info.sample_rate, info.n_channels, info.subtype):
            raise unreadable(info.path, "it changed while it was in use")
        yield sound, packed_pcm(descriptor, sound, info)


def _invalid_samples(info: AudioInfo) -> SongError:
    """The error E314, counted over the whole file: a sample is invalid when any of its channels is."""
    n_invalid, first, position = 0, 0, 0
    with _open_again(info) as (sound, _):
        while position < info.n_samples:
            block_TC = sound.read(SCAN_SAMPLES, dtype="float32", always_2d=True)
            if len(block_TC) == 0:
                break
            invalid_T = ~np.isfinite(block_TC).all(axis=1)
            if n_invalid == 0 and invalid_T.any():
                first = position + int(np.argmax(invalid_T))
            n_invalid += int(np.count_nonzero(invalid_T))
            position += len(block_TC)
    samples = "sample" if n_invalid == 1 else "samples"
    time = clock_time(first / info.sample_rate, decimals=1)
    return SongError(
        f'"{display_name(info.path)}" has {n_invalid:,} invalid {samples} (first at {time}).',
        code="E314",
        hint="re-export, or --repair-nan.",
    )

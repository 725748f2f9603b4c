"""What the network's output should be: the mix on the time of its stems, or the sum of the stems.

Letters: T samples, C = 2 channels.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.files import read_info
from mixcli.audio.resample import StreamResampler
from mixcli.songs.song import Stem
from mixcli.songs.stem_reader import StemReader
from mixcli.songs.survey import Survey
from mixcli.training.align import LIMIT_S, MixAlignment, NoAlignment, align_mix
from mixcli.training.align_fit import FittedDelay, StemFit

BLOCK = 65_536
COMPARED_S = 600.0  # of stems and mix, from their start: more says nothing new
LEAST_ENERGY = 1e-12
FINE_S = 0.05  # the exact delay is looked for so far about the first one

Block = NDArray[np.float32]
Mono = NDArray[np.float32]


def mix_stem(path: Path) -> Stem:
    """A mix as a stem, so that it is read as stems are. Raises SongError."""
    return Stem(name=path.name, files=(read_info(path),), role="util.mix", role_from="folder")


def align_song(
    stems: Sequence[Stem], survey: Survey, mix: Stem, *, repair: bool
) -> MixAlignment | NoAlignment:
    """How a mix lies to the stems of its song, at the survey's rate. Raises SongError while reading."""
    rate = survey.sample_rate
    n_samples = min(survey.n_samples, round(COMPARED_S * rate))
    plain_T, levelled_T = np.zeros(n_samples, np.float32), np.zeros(n_samples, np.float32)
    for stem in stems:
        energy = survey.energy(stem.name) / stem.n_channels / max(survey.n_samples, 1)
        weight = np.float32(1 / np.sqrt(max(energy, LEAST_ENERGY)))
        with StemReader(stem, rate, repair=repair) as reader:
            for start in range(0, min(n_samples, reader.n_samples), BLOCK):
                mono_T = reader.read(min(BLOCK, n_samples - start)).mean(axis=1, dtype=np.float32)
                plain_T[start : start + len(mono_T)] += mono_T
                levelled_T[start : start + len(mono_T)] += mono_T * weight
    with StemReader(mix, rate, repair=repair) as reader:
        n_mix = min(reader.n_samples, n_samples + round(LIMIT_S * rate))
        mix_T = reader.read(n_mix).mean(axis=1, dtype=np.float32)

    def refine(later_samples: int) -> FittedDelay:
        return _fit_stems(stems, n_samples, rate, mix_T, later_samples, repair=repair)

    return align_mix({"plain": plain_T, "levelled": levelled_T}, mix_T, rate, refine=refine)


def _fit_stems(
    stems: Sequence[Stem], n_samples: int, rate: int, mix_T: Mono, later_samples: int, *, repair: bool
) -> FittedDelay:
    """Read the stems side by side and look for the delay at which they explain most of the mix."""
    reach = round(FINE_S * rate)
    fit = StemFit(len(stems), later_samples, reach)
    with ExitStack() as open_files:
        readers = [open_files.enter_context(StemReader(stem, rate, repair=repair)) for stem in stems]
        for start in range(0, n_samples, BLOCK):
            n_block = min(BLOCK, n_samples - start)
            monos = [reader.read(n_block).mean(axis=1, dtype=np.float32) for reader in readers]
            first = start + later_samples - reach - 1
            fit.push(np.stack(monos), _part_of(mix_T, first, first + n_block + 2 * reach + 1))
    return fit.best()


def _part_of(mix_T: Mono, start: int, stop: int) -> Mono:
    """The samples from start to stop, silence where there are none."""
    part_T = np.zeros(stop - start, np.float32)
    first, last = min(max(start, 0), len(mix_T)), min(max(stop, 0), len(mix_T))
    part_T[first - start : last - start] = mix_T[first:last]
    return part_T


def read_mix(
    mix: Stem, sample_rate: int, model_rate: int, n_samples: int, found: MixAlignment, *, repair: bool
) -> Iterator[Block]:
    """The mix on the time and polarity of its stems, at the model's rate, in blocks [T, 2].

    It is moved at the stems' rate, `sample_rate`, in which `n_samples` is its length, and then resampled as
    what the network gets is.
    """
    to_network = StreamResampler(sample_rate, model_rate, 2)
    sign = np.float32(-1 if found.inverted else 1)
    silence = min(max(found.delay_samples, 0), n_samples)
    yield to_network.push(np.zeros((silence, 2), np.float32))
    with StemReader(mix, sample_rate, start=max(-found.delay_samples, 0), repair=repair) as reader:
        for start in range(silence, n_samples, BLOCK):
            yield to_network.push(_stereo(reader.read(min(BLOCK, n_samples - start))) * sign)
    yield to_network.push(np.zeros((0, 2), np.float32), last=True)


def read_sum(
    stems: Sequence[Stem], sample_rate: int, model_rate: int, n_samples: int, *, repair: bool
) -> Iterator[Block]:
    """The sum of stems as they are, mono ones in the middle, at the model's rate, in blocks [T, 2]."""
    to_network = StreamResampler(sample_rate, model_rate, 2)
    with ExitStack() as open_files:
        readers = [
            open_files.enter_context(StemReader(stem, sample_rate, repair=repair))
            for stem in sorted(stems, key=lambda stem: stem.name)
        ]
        for start in range(0, n_samples, BLOCK):
            sum_TC = np.zeros((min(BLOCK, n_samples - start), 2), np.float32)
            for reader in readers:
                sum_TC += reader.read(len(sum_TC))  # one channel counts for both
            yield to_network.push(sum_TC)
    yield to_network.push(np.zeros((0, 2), np.float32), last=True)


def _stereo(block_TC: Block) -> Block:
    return block_TC if block_TC.shape[1] == 2 else np.repeat(block_TC, 2, axis=1)

"""What is left of a stem when the sum of others is taken away from it, judged as it would be heard.

Legend: T samples, C channels of the stem, P channels of a part, B bands.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import integrated_lufs
from mixcli.songs.song import Song
from mixcli.songs.stem_meters import BandMeter, HopMeter
from mixcli.songs.stem_reader import StemReader
from mixcli.songs.stem_survey import SURVEY_BLOCK
from mixcli.songs.survey import Survey

UNHEARD_DB = 20.0  # how far the rest lies under the stem: in loudness, and in every band that counts
WEAK_BAND_DB = 40.0  # bands of the stem further below its strongest do not count


def is_only_the_sum(song: Song, survey: Survey, name: str, gains: Mapping[str, NDArray[np.float64]]) -> bool:
    """Whether nothing audible is left of a stem without the others at their gains ([P, C] by their names).

    Energy alone does not tell: under a kick and a snare, hi-hats are next to nothing. The files are read once
    more, as one stream; the rest must lie 20 LU under the stem in loudness (gated, so that a single passage
    counts for what it is where it sounds), and 20 dB in each band within 40 dB of the stem's strongest.
    Raises SongError where a file has changed since the survey.
    """
    stems = {stem.name: stem for stem in song.stems}
    n_channels = stems[name].n_channels
    loudness = HopMeter(survey.sample_rate, n_channels)
    bands = BandMeter(survey.sample_rate, n_channels)
    with ExitStack() as open_files:

        def open_stem(stem_name: str) -> StemReader:
            # The survey has refused what cannot be used, so that only what may be repaired is left.
            reader = StemReader(stems[stem_name], survey.sample_rate, repair=True)
            return open_files.enter_context(reader)

        whole = open_stem(name)
        parts = [(open_stem(part), gains_PC.astype(np.float32)) for part, gains_PC in gains.items()]
        pool = open_files.enter_context(ThreadPoolExecutor())
        for start in range(0, survey.n_samples, SURVEY_BLOCK):
            n_samples = min(SURVEY_BLOCK, survey.n_samples - start)
            left_TC = whole.read(n_samples)
            for part_TC in pool.map(lambda part, n=n_samples: part[0].read(n) @ part[1], parts):
                left_TC = left_TC - part_TC
            loudness.push(left_TC)
            bands.push(left_TC)
    measured = survey.stems[name]
    hops = loudness.finish() * (2 if n_channels == 1 else 1)  # a mono stem sounds in both channels
    left_B = np.sum(bands.finish(), axis=0)
    stem_B = np.add(measured.mid_energy, measured.side_energy)
    counts_B = stem_B > stem_B.max() * 10 ** (-WEAK_BAND_DB / 10)
    unheard_B = left_B <= stem_B * 10 ** (-UNHEARD_DB / 10)
    return bool(unheard_B[counts_B].all()) and integrated_lufs(hops) <= measured.loudness_lufs - UNHEARD_DB

"""Surveys of stems that were never played: only what a rule looks at is given, the rest is as of any stem."""

from types import MappingProxyType

import numpy as np

from mixcli.songs.stem_sound import StemSound
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.survey import Survey
from mixcli.songs.third_octaves import CENTRES_HZ

CENTRES_B = np.array(CENTRES_HZ)


def made_up_stem(level_db_B):
    """A steady stem with these levels in third octaves."""
    return StemSurvey(
        peak_dbfs=-6.0,
        loudness_lufs=-20.0,
        hop_energies=np.full(100, 0.01, np.float32),
        active_fraction=1.0,
        mid_energy=(1.0,) * 5,
        side_energy=(0.0,) * 5,
        third_octaves=tuple((10 ** (np.asarray(level_db_B) / 10)).tolist()),
        hop_peaks=np.full(100, 0.5, np.float32),
        sound=StemSound(),
        dual_mono=False,
        silent=False,
        clipped_runs=0,
        dc=0.0,
        digest="",
    )


def made_up_survey(**levels_db):
    """A song of such stems, each mono, that have nothing in common."""
    names = list(levels_db)
    return Survey(
        sample_rate=44_100,
        n_samples=441_000,
        stems=MappingProxyType({name: made_up_stem(levels_db[name]) for name in names}),
        channels={name: slice(i, i + 1) for i, name in enumerate(names)},
        gram_NN=np.eye(len(names)),
    )

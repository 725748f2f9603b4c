"""What a network is fed with of a song, block by block, exactly as mixing feeds it.

Letters: T samples, K inputs, C = 2 channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.resample import StreamResampler
from mixcli.console.keep_balance import keep_balance
from mixcli.console.render import ConsoleRenderer, mix_length
from mixcli.console.rules import NO_PAIRS, make_recipe
from mixcli.engine.input_levels import measure_input_gains
from mixcli.engine.prepare import InputReader, bus_inputs, plan_inputs
from mixcli.mixing.measured import measure_stems
from mixcli.models.settings import BUS_INPUTS, ModelSettings
from mixcli.settings import RuleSettings
from mixcli.songs.cores import n_threads
from mixcli.songs.header_checks import most_common_rate
from mixcli.songs.mic_pairs import PairMeasurements
from mixcli.songs.song import Song
from mixcli.songs.survey import Survey

BLOCK = 65_536

Block = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class HeardSong:
    """A song as mixing knows it before its recipe: without what is no stem, and measured at its own rate.

    Without a survey it is known to have sound stems alone, which is enough for networks that mix stems.
    """

    song: Song
    sample_rate: int
    survey: Survey | None = None
    pairs: PairMeasurements = NO_PAIRS

    @property
    def n_samples(self) -> int:
        """Its length at its own rate."""
        return mix_length(self.song, self.sample_rate)

    @property
    def measures(self) -> Survey:
        """Its survey. Raises ValueError where there is none."""
        if self.survey is None:
            raise ValueError(f"{self.song.name} was not measured")
        return self.survey


def hear_song(song: Song, *, repair: bool) -> HeardSong:
    """Measure a song as mixing does. Raises SongError where a stem is broken or all are silent."""
    rate = most_common_rate(song.stems)
    song, survey, pairs = measure_stems(song, rate, skip_bad=False, repair=repair, processes=n_threads())
    return HeardSong(song=song, sample_rate=rate, survey=survey, pairs=pairs)


def network_length(n_samples: int, sample_rate: int, model: ModelSettings) -> int:
    """Samples at the model's rate, rounded up."""
    return -(-n_samples * model.sample_rate // sample_rate)


def read_inputs(
    heard: HeardSong, model: ModelSettings, rules: RuleSettings, *, repair: bool
) -> Iterator[Block]:
    """The inputs of a network from the song's first sample to its last, in blocks [T, K], at its rate.

    For a network behind the console: its buses and its mix by its rules. Raises CheckpointError E402 for
    stems that the network has no input for, SongError while reading.
    """
    if model.takes_buses:
        return _buses(heard, model, rules, repair)
    return _stems(heard.song, model, repair)


def _buses(heard: HeardSong, model: ModelSettings, rules: RuleSettings, repair: bool) -> Iterator[Block]:
    recipe = make_recipe(heard.song, heard.measures, settings=rules, pairs=heard.pairs)
    recipe = keep_balance(recipe, heard.measures, rules.keep_balance)
    to_network = StreamResampler(recipe.sample_rate, model.sample_rate, len(BUS_INPUTS))
    for block in ConsoleRenderer(heard.song, recipe, repair=repair, processes=n_threads()):
        mix_TC = block.buses_KTC.sum(axis=0, dtype=np.float32) + block.returns_TC
        yield to_network.push(bus_inputs(block.buses_KTC, mix_TC))
    yield to_network.push(np.zeros((0, len(BUS_INPUTS)), np.float32), last=True)


def _stems(song: Song, model: ModelSettings, repair: bool) -> Iterator[Block]:
    plan = plan_inputs(song.stems, model, model_name="in training")
    gains_K = measure_input_gains(plan, model, repair=repair)
    with InputReader(plan, repair=repair) as reader:
        for start in range(0, reader.n_samples, BLOCK):
            yield reader.read(min(BLOCK, reader.n_samples - start)) * gains_K

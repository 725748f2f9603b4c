"""From strips to a mix: the buses, the one shared reverb and the mix bus, block by block.

Legend: K buses in the order of BUSES, T samples, C = 2 channels, N taps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.console.bus_effects import PartEqualiser, SumCompressor, with_gain
from mixcli.console.effects import check_frequencies, effects_memory
from mixcli.console.recipe import BusRecipe, Recipe
from mixcli.console.strip import Block, StripBlock
from mixcli.console.wide_sum import WideBlock, WideSum
from mixcli.songs.roles import BUSES

MIX = "mix"  # the one part of the mix bus's sum that is no bus: all of it, or what the reverb returns


@dataclass(frozen=True)
class DeskBlock:
    """What the desk makes of a block of strips, and the gains its compressors found for it.

    `buses` (those in use) and `returns_TC` are what is summed into the mix, before what the mix bus does to
    their sum; `mix_TC` is the mix. `gains` holds the gain of every bus that has a compressor, [T], which is
    in `buses`; `mix_gain_T` is that of the mix bus.
    """

    buses: dict[str, Block]
    returns_TC: Block
    mix_TC: Block
    gains: dict[str, Block] = field(default_factory=dict)
    mix_gain_T: Block | None = None

    def all_buses(self) -> NDArray[np.float32]:
        """All buses, [K, T, C]; silence where one is not in use."""
        buses_KTC = np.zeros((len(BUSES), *self.mix_TC.shape), np.float32)
        for bus, bus_TC in self.buses.items():
            buses_KTC[BUSES.index(bus)] = bus_TC
        return buses_KTC


class Desk:
    """Sums strips to buses and runs what the recipe has on these, on the reverb and on the mix bus.

    `reverb_NC` is the reverb's response, `names` are the stems that sound, `start` is where in the song the
    first block lies. Where a recipe has no effect on buses, they are the plain sums.
    """

    def __init__(
        self, recipe: Recipe, names: Iterable[str], reverb_NC: NDArray[np.float32], *, start: int
    ) -> None:
        rate = self._sample_rate = recipe.sample_rate
        self._bus_of = {name: recipe.stems[name].bus for name in names}
        self._reverb = StreamConvolver(reverb_NC, 1)
        used = [bus for bus in BUSES if bus in self._bus_of.values()]
        self._equalisers = {bus: PartEqualiser(recipe.buses[bus], rate, [bus]) for bus in used}
        self._compressors = {bus: SumCompressor(recipe.buses[bus], rate, start) for bus in used}
        self._mix_equaliser = PartEqualiser(recipe.mix_bus, rate, [MIX])
        self._mix_compressor = SumCompressor(recipe.mix_bus, rate, start)

    def push(self, strips: Iterable[tuple[str, StripBlock | WideBlock]], n_samples: int) -> DeskBlock:
        """Take the strips of the next block, each [n_samples]; one that is left out is silent.

        Those that come as WideBlocks must go to buses without effects; they are in the mix alone.
        """
        buses: dict[str, Block] = {}
        summed: set[str] = set()  # buses that are no strip's own block any more
        wide = None
        send_T = np.zeros(n_samples, np.float32)
        for name, block in strips:
            bus = self._bus_of[name]
            if isinstance(block, WideBlock):
                wide = wide or WideSum(n_samples, self._sample_rate)
                wide.add(block)
            elif bus in summed:
                buses[bus] += block.panned_TC
            elif bus in buses:
                buses[bus] = buses[bus] + block.panned_TC
                summed.add(bus)
            else:
                buses[bus] = block.panned_TC
            if block.send_T is not None:
                send_T += block.send_T
        returns_TC = self._reverb.push(send_T[:, None])
        gains: dict[str, Block] = {}
        # Each channel in one piece, as the strips are.
        sum_TC: Block = np.zeros((2, n_samples), np.float32).T if wide is None else wide.panned()
        for bus, compressor in self._compressors.items():
            if bus not in buses:
                if not (self._equalisers[bus].is_on or compressor.is_on):
                    continue
                buses[bus] = np.zeros((n_samples, 2), np.float32)
            buses[bus] = self._equalisers[bus].push(bus, buses[bus])
            gain_T = compressor.gain(buses[bus])
            if gain_T is not None:
                buses[bus] = with_gain(buses[bus], gain_T)
                gains[bus] = gain_T
            sum_TC += buses[bus]
        sum_TC += returns_TC
        sum_TC = self._mix_equaliser.push(MIX, sum_TC)
        mix_gain_T = self._mix_compressor.gain(sum_TC)
        return DeskBlock(buses, returns_TC, with_gain(sum_TC, mix_gain_T), gains, mix_gain_T)


class MixBusParts:
    """What the mix bus makes of each part of its sum; the parts come out summing to the desk's mix.

    Its equaliser is linear, so each part has one of its own; the gain is the one the desk has found.
    """

    def __init__(self, recipe: Recipe, names: Iterable[str]) -> None:
        self._used = sorted({BUSES.index(recipe.stems[name].bus) for name in names})
        parts = [*(BUSES[number] for number in self._used), MIX]
        self._equaliser = PartEqualiser(recipe.mix_bus, recipe.sample_rate, parts)

    def push(self, block: DeskBlock) -> tuple[NDArray[np.float32], Block]:
        """The buses and the returns of the next block as they are in the mix, [K, T, C] and [T, C]."""
        if not self._equaliser.is_on and block.mix_gain_T is None:
            return block.all_buses(), block.returns_TC
        buses_KTC = block.all_buses()
        for number in self._used:
            bus_TC = self._equaliser.push(BUSES[number], buses_KTC[number])
            buses_KTC[number] = with_gain(bus_TC, block.mix_gain_T)
        returns_TC = with_gain(self._equaliser.push(MIX, block.returns_TC), block.mix_gain_T)
        return buses_KTC, returns_TC


def desk_memory(recipe: Recipe, names: Iterable[str], n_reverb_taps: int) -> int:
    """How many samples back the mix may depend on the strips: buses or reverb, and then the mix bus."""
    buses = {recipe.stems[name].bus for name in names}
    of_buses = [effects_memory(recipe.buses[bus], recipe.sample_rate) for bus in buses]
    return max([n_reverb_taps, *of_buses]) + effects_memory(recipe.mix_bus, recipe.sample_rate)


def is_plain(bus: BusRecipe) -> bool:
    """Whether a bus is nothing but the sum of its strips."""
    return not bus.equaliser and bus.compressor is None


def check_desk(recipe: Recipe, names: Iterable[str]) -> None:
    """Raise SettingsError E411 where a filter of a bus in use does not lie below half the sample rate."""
    for bus in dict.fromkeys(recipe.stems[name].bus for name in names):
        check_frequencies(f"buses.{bus}", recipe.buses[bus], recipe.sample_rate)
    check_frequencies("mix_bus", recipe.mix_bus, recipe.sample_rate)

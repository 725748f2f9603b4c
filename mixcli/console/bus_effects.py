"""Equaliser and compressor of a bus, or of the mix bus: on a sum, but carried out on each of its parts.

Legend: T samples, C = 2 channels.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.compressor import Compressor
from mixcli.audio.dynamics import apply_gain, control_hop
from mixcli.audio.equaliser import Equaliser
from mixcli.console.effects import bands_of, compressor_settings
from mixcli.console.recipe import BusRecipe, MixBusRecipe

Block = NDArray[np.float32]


class PartEqualiser:
    """The equaliser of a bus for each part of its sum: it is linear, so the parts stay apart and add up."""

    def __init__(self, recipe: BusRecipe | MixBusRecipe, sample_rate: int, parts: Iterable[str]) -> None:
        self._equalisers = {}
        if recipe.equaliser:
            bands = bands_of(recipe.equaliser)
            self._equalisers = {part: Equaliser(bands, sample_rate, 2) for part in parts}

    @property
    def is_on(self) -> bool:
        """Whether it does anything."""
        return bool(self._equalisers)

    def push(self, part: str, block_TC: Block) -> Block:
        """Filter the next samples of a part, [T, 2]; without a band the very block."""
        return self._equalisers[part].push(block_TC) if self._equalisers else block_TC


class SumCompressor:
    """The compressor of a bus: finds one gain from the sum, by which every part is multiplied.

    Its hops are counted from the song's start, of which `start` samples lie before the first block; what
    sounded there has been forgotten after `effects_memory`.
    """

    def __init__(self, recipe: BusRecipe | MixBusRecipe, sample_rate: int, start: int) -> None:
        self._compressor = None
        if recipe.compressor is not None:
            self._compressor = Compressor(compressor_settings(recipe.compressor), sample_rate, 2)
            self._compressor.push(np.zeros((start % control_hop(sample_rate), 2), np.float32))

    @property
    def is_on(self) -> bool:
        """Whether it does anything."""
        return self._compressor is not None

    def gain(self, sum_TC: Block) -> Block | None:
        """The gain of the next samples of the sum, [T]; None without a compressor."""
        return None if self._compressor is None else self._compressor.push_for_gain(sum_TC)


def with_gain(block_TC: Block, gain_T: Block | None) -> Block:
    """A part of a sum with the sum's gain; None is no gain."""
    return block_TC if gain_T is None else apply_gain(block_TC, gain_T)

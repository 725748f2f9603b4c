"""The terms of a mix: what each stem, or each bus, is of it, exactly as the desk has mixed them.

Legend: T samples, C = 2 channels, N taps.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.console.bus_effects import PartEqualiser, with_gain
from mixcli.console.desk import DeskBlock
from mixcli.console.recipe import Recipe
from mixcli.console.strip import Block, StripBlock


class Ledger:
    """Carries each term of a mix along the way of the desk, with its own share of the reverb.

    Equalisers of buses are linear, so each term has its own; of their compressors the gains are taken that
    the desk has found from the sums. The terms' sum is the desk's mix within float32 rounding.
    """

    def __init__(
        self, recipe: Recipe, names: Sequence[str], by: Literal["stem", "bus"], reverb_NC: NDArray[np.float32]
    ) -> None:
        rate, stems = recipe.sample_rate, recipe.stems
        self._part_of = {name: name if by == "stem" else stems[name].bus for name in names}
        self._bus_of = {part: stems[name].bus for name, part in self._part_of.items()}
        wet = {self._part_of[name] for name in names if stems[name].reverb_send_db is not None}
        self._reverbs = {part: StreamConvolver(reverb_NC, 1) for part in sorted(wet)}
        self._equalisers = {
            part: PartEqualiser(recipe.buses[bus], rate, [part]) for part, bus in self._bus_of.items()
        }
        self._mix_equaliser = PartEqualiser(recipe.mix_bus, rate, self._bus_of)

    def push(
        self, strips: Iterable[tuple[str, StripBlock]], desk: DeskBlock, n_samples: int
    ) -> dict[str, Block]:
        """The next terms, {part: [n_samples, 2]}, from a block of strips and what the desk made of it."""
        terms = {part: np.zeros((n_samples, 2), np.float32) for part in self._bus_of}
        sends = {part: np.zeros(n_samples, np.float32) for part in self._reverbs}
        for name, block in strips:
            terms[self._part_of[name]] += block.panned_TC
            if block.send_T is not None:
                sends[self._part_of[name]] += block.send_T
        for part, bus in self._bus_of.items():
            term_TC = with_gain(self._equalisers[part].push(part, terms[part]), desk.gains.get(bus))
            if part in self._reverbs:
                term_TC = term_TC + self._reverbs[part].push(sends[part][:, None])
            terms[part] = with_gain(self._mix_equaliser.push(part, term_TC), desk.mix_gain_T)
        return terms

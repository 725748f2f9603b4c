"""Rendering a recipe: stems through their strips to buses, and one shared reverb, in bounded memory.

Legend: K buses in the order of BUSES, T samples, C = 2 channels.

All work is done in blocks of 65,536 samples that start at multiples of it, counted from the song's start. So
a sample does not depend on where rendering began: a part of a song equals the same part of the whole (within
1e-6; everything before that can be heard in it, filters, the gains of expanders and compressors, and reverb,
is run in first).
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.reverb import reverb_impulse_response
from mixcli.console.effects import check_frequencies
from mixcli.console.recipe import Recipe, ReverbRecipe
from mixcli.console.strip import Block, ChannelStrip, StripBlock, memory_of
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem
from mixcli.songs.stem_reader import StemReader

BLOCK = 65_536  # samples; fixed, because rounding may depend on it


@dataclass(frozen=True)
class ConsoleBlock:
    """A block of the console's mix, which is the sum of its buses and of what comes back from the reverb."""

    start: int
    buses_KTC: NDArray[np.float32]
    returns_TC: Block


class ConsoleRenderer:
    """Renders a song through a recipe; iterating gives ConsoleBlocks in order.

    The mix is exactly as long as the longest stem of the song, muted or not, so that mixes, versions and
    exported stems of a song have one length; the reverb's tail after that is cut. `start` and `n_samples`
    choose a part, in samples at the recipe's rate; `n_samples` then says how many there are. Every stem of
    the song must be in the recipe. Effects are on stems alone: a bus is the plain sum of its strips. `repair`
    reads invalid samples as zeros. Raises SettingsError E411, and SongError while reading.
    """

    def __init__(
        self,
        song: Song,
        recipe: Recipe,
        *,
        start: int = 0,
        n_samples: int | None = None,
        repair: bool = False,
    ) -> None:
        self.sample_rate = recipe.sample_rate
        self.start = start
        self.n_samples = _part_length(song, recipe, start, n_samples)
        self._recipe = recipe
        self._repair = repair
        self._sounding = sounding_stems(song, recipe)
        for name in self._names():
            check_frequencies(name, recipe.stems[name], recipe.sample_rate)
        self._reverb_NC = np.zeros((1, 2), np.float32)
        if any(recipe.stems[name].reverb_send_db is not None for name in self._names()):
            self._reverb_NC = reverb_response(recipe.reverb, recipe.sample_rate)

    def __iter__(self) -> Iterator[ConsoleBlock]:
        reverb = StreamConvolver(self._reverb_NC, 1)
        bus_numbers = {name: BUSES.index(self._recipe.stems[name].bus) for name in self._names()}
        for start, strips in self._run_strips():
            buses_KTC = np.zeros((len(BUSES), BLOCK, 2), np.float32)
            send_T = np.zeros(BLOCK, np.float32)
            for name, block in strips:
                buses_KTC[bus_numbers[name]] += block.panned_TC
                if block.send_T is not None:
                    send_T += block.send_T
            returns_TC = reverb.push(send_T[:, None])
            part = self._part_of(start)
            if part.start < part.stop:
                yield ConsoleBlock(start + part.start, buses_KTC[:, part], returns_TC[part])

    def terms(self, by: Literal["stem", "bus"]) -> Iterator[tuple[int, dict[str, Block]]]:
        """The parts whose sum is the mix, each with its own share of the reverb; see `render_terms`."""
        stems = self._recipe.stems
        parts = {name: name if by == "stem" else stems[name].bus for name in self._names()}
        wet = {parts[name] for name in self._names() if stems[name].reverb_send_db is not None}
        reverbs = {part: StreamConvolver(self._reverb_NC, 1) for part in sorted(wet)}
        for start, strips in self._run_strips():
            terms = {part: np.zeros((BLOCK, 2), np.float32) for part in parts.values()}
            sends = {part: np.zeros(BLOCK, np.float32) for part in reverbs}
            for name, block in strips:
                terms[parts[name]] += block.panned_TC
                if block.send_T is not None:
                    sends[parts[name]] += block.send_T
            for part, reverb in reverbs.items():
                terms[part] += reverb.push(sends[part][:, None])
            kept = self._part_of(start)
            if kept.start < kept.stop:
                yield start + kept.start, {part: term_TC[kept] for part, term_TC in terms.items()}

    def _run_strips(self) -> Iterator[tuple[int, Iterator[tuple[str, StripBlock]]]]:
        """Read all stems and run their strips, block by block on the fixed grid; what is silent is left out.

        The strips of a block are run while they are iterated over, so one stem's block is in memory at a
        time.
        """
        with ExitStack() as stack:
            first, rate = self.reads_from, self.sample_rate
            readers, strips = {}, {}
            for stem in self._sounding:
                part = self._recipe.stems[stem.name]
                reader = StemReader(stem, rate, start=first, repair=self._repair)
                readers[stem.name] = stack.enter_context(reader)
                bus = self._recipe.buses[part.bus]
                strips[stem.name] = ChannelStrip(
                    stem.name, part, bus, n_channels=stem.n_channels, sample_rate=rate, start=first
                )
            for start in range(first, self._stop(), BLOCK):
                yield start, _strip_blocks(readers, strips)

    def _names(self) -> list[str]:
        return [stem.name for stem in self._sounding]

    def _stop(self) -> int:
        return self.start + self.n_samples

    @property
    def reads_from(self) -> int:
        """The sample from which stems are read, so that all that sounds into the part is there."""
        memories = [memory_of(self._recipe.stems[name], self.sample_rate) for name in self._names()]
        return max(0, self.start - max(memories, default=0) - len(self._reverb_NC)) // BLOCK * BLOCK

    def _part_of(self, block_start: int) -> slice:
        return slice(
            min(BLOCK, max(0, self.start - block_start)), max(0, min(BLOCK, self._stop() - block_start))
        )


def render_terms(
    song: Song,
    recipe: Recipe,
    *,
    by: Literal["stem", "bus"] = "stem",
    start: int = 0,
    n_samples: int | None = None,
    repair: bool = False,
) -> Iterator[tuple[int, dict[str, Block]]]:
    """Render a song as terms that sum to the console's mix, as (start, {name: term_TC}).

    A term is a stem (named as in the recipe) or a bus, with its share of the reverb. Muted stems have no
    term, nor has a bus without a stem that sounds. The sum is the mix within float32 rounding (below -120
    dBFS).
    """
    return ConsoleRenderer(song, recipe, start=start, n_samples=n_samples, repair=repair).terms(by)


def mix_length(song: Song, sample_rate: int) -> int:
    """Length of a song's mix in samples at a rate: its longest stem, rounded up."""
    return max((-(-stem.n_samples * sample_rate // stem.sample_rate) for stem in song.stems), default=0)


def sounding_stems(song: Song, recipe: Recipe) -> list[Stem]:
    """The stems of a song that no mute silences, in the recipe's order. Raises SettingsError E411."""
    stems = {stem.name: stem for stem in song.stems}
    unknown = [name for name in stems if name not in recipe.stems]
    missing = [name for name in recipe.stems if name not in stems]
    if unknown or missing:
        listed = ", ".join(f'"{name}"' for name in (unknown or missing))
        what = f"the recipe does not name {listed}" if unknown else f"the song does not have {listed}"
        raise SettingsError(f"{what}.", code="E411", hint="make a new recipe for this folder.")
    return [
        stems[name]
        for name, part in recipe.stems.items()
        if not part.mute and not recipe.buses[part.bus].mute
    ]


def reverb_response(reverb: ReverbRecipe, sample_rate: int) -> NDArray[np.float32]:
    """The impulse response of a recipe's reverb with its return level, [N, 2]. Raises SettingsError E411."""
    try:
        response_NC = reverb_impulse_response(
            sample_rate,
            kind=reverb.kind,
            decay_s=reverb.decay_s,
            pre_delay_ms=reverb.pre_delay_ms,
            low_cut_hz=reverb.low_cut_hz,
            high_cut_hz=reverb.high_cut_hz,
            seed=reverb.seed,
        )
    except ValueError as error:
        raise SettingsError(f"the recipe's reverb: {error}.", code="E411") from error
    return response_NC * np.float32(db_to_gain(reverb.return_db))


def _part_length(song: Song, recipe: Recipe, start: int, n_samples: int | None) -> int:
    if start < 0 or (n_samples is not None and n_samples < 0):
        raise ValueError("a part of a song cannot begin before it, nor have a negative length")
    rest = max(0, mix_length(song, recipe.sample_rate) - start)
    return rest if n_samples is None else min(n_samples, rest)


def _strip_blocks(
    readers: dict[str, StemReader], strips: dict[str, ChannelStrip]
) -> Iterator[tuple[str, StripBlock]]:
    for name, reader in readers.items():
        block = strips[name].push(reader.read(BLOCK))
        if block is not None:
            yield name, block

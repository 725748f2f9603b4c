"""Rendering a recipe: stems through their strips to buses, and one shared reverb, in bounded memory.

Legend: K buses in the order of BUSES, T samples, C = 2 channels.

All work is done in blocks of 65,536 samples that start at multiples of it, counted from the song's start. So
a sample does not depend on where rendering began: a part of a song equals the same part of the whole (within
1e-6; everything before that can be heard in it, filters, the gains of expanders and compressors, and reverb,
is run in first). The stems of a long song may be run in several processes, which changes no sample.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.reverb import reverb_impulse_response
from mixcli.console.desk import Desk, MixBusParts, check_desk, desk_memory, is_plain
from mixcli.console.effects import check_frequencies
from mixcli.console.ledger import Ledger
from mixcli.console.recipe import Recipe, ReverbRecipe
from mixcli.console.strip import Block, StripBlock, memory_of
from mixcli.console.strip_runner import StripRunner, Strips
from mixcli.errors import SettingsError
from mixcli.songs.song import Song, Stem
from mixcli.songs.stem_reader import samples_at

BLOCK = 65_536  # samples; fixed, because rounding may depend on it


@dataclass(frozen=True)
class ConsoleBlock:
    """A block of the console's mix, which is the sum of its buses and of what comes back from the reverb.

    Both are here as they are in the mix, with all that their buses and the mix bus do to them.
    """

    start: int
    buses_KTC: NDArray[np.float32]
    returns_TC: Block


class ConsoleRenderer:
    """Renders a song through a recipe; iterating gives ConsoleBlocks in order.

    The mix is exactly as long as the longest stem of the song, muted or not, so that mixes, versions and
    exported stems of a song have one length; what is delayed beyond that and the reverb's tail are cut there.
    `start` and `n_samples` choose a part, in samples at the recipe's rate; `n_samples` then says how many
    there are. Every stem of the song must be in the recipe. `repair` reads invalid samples as zeros. The
    stems of a long song are run in up to `processes` processes. Raises SettingsError E411, and SongError
    while reading.
    """

    def __init__(
        self,
        song: Song,
        recipe: Recipe,
        *,
        start: int = 0,
        n_samples: int | None = None,
        repair: bool = False,
        processes: int = 1,
    ) -> None:
        self.sample_rate = recipe.sample_rate
        self.start = start
        self.n_samples = _part_length(song, recipe, start, n_samples)
        self._recipe = recipe
        self._repair = repair
        self._processes = processes
        self._sounding = sounding_stems(song, recipe)
        for name in self._names():
            check_frequencies(name, recipe.stems[name], recipe.sample_rate)
        check_desk(recipe, self._names())
        self._reverb_NC = np.zeros((1, 2), np.float32)
        if any(recipe.stems[name].reverb_send_db is not None for name in self._names()):
            self._reverb_NC = reverb_response(recipe.reverb, recipe.sample_rate)

    def __iter__(self) -> Iterator[ConsoleBlock]:
        desk, parts = self._desk(), MixBusParts(self._recipe, self._names())
        for start, strips in self._run_strips():
            buses_KTC, returns_TC = parts.push(desk.push(strips, BLOCK))
            kept = self._part_of(start)
            if kept.start < kept.stop:
                yield ConsoleBlock(start + kept.start, buses_KTC[:, kept], returns_TC[kept])

    def mixes(self) -> Iterator[tuple[int, Block]]:
        """The mix alone, as (start, mix_TC): the sum of what iterating gives, for less work."""
        desk, stems, buses = self._desk(), self._recipe.stems, self._recipe.buses
        apart = [name for name in self._names() if is_plain(buses[stems[name].bus])]
        for start, strips in self._run_strips(apart):
            mix_TC = desk.push(strips, BLOCK).mix_TC
            kept = self._part_of(start)
            if kept.start < kept.stop:
                yield start + kept.start, mix_TC[kept]

    def terms(self, by: Literal["stem", "bus"]) -> Iterator[tuple[int, dict[str, Block]]]:
        """The parts whose sum is the mix, each with its own share of the reverb; see `render_terms`."""
        desk = self._desk()
        ledger = Ledger(self._recipe, self._names(), by, self._reverb_NC)
        for start, iterated in self._run_strips():
            strips = [(name, block) for name, block in iterated if isinstance(block, StripBlock)]
            terms = ledger.push(strips, desk.push(strips, BLOCK), BLOCK)
            kept = self._part_of(start)
            if kept.start < kept.stop:
                yield start + kept.start, {part: term_TC[kept] for part, term_TC in terms.items()}

    def _desk(self) -> Desk:
        return Desk(self._recipe, self._names(), self._reverb_NC, start=self.reads_from)

    def _run_strips(self, apart: Sequence[str] = ()) -> Iterator[tuple[int, Strips]]:
        """Run all strips, block by block on the fixed grid; what is silent is left out.

        Those in `apart` are wanted in the mix alone.
        """
        first = self.reads_from
        starts = range(first, self._stop(), BLOCK)
        with StripRunner(
            self._sounding,
            self._recipe,
            first=first,
            n_blocks=len(starts),
            n_samples=BLOCK,
            repair=self._repair,
            processes=self._processes,
            apart=apart,
        ) as runner:
            yield from zip(starts, runner, strict=True)

    def _names(self) -> list[str]:
        return [stem.name for stem in self._sounding]

    def _stop(self) -> int:
        return self.start + self.n_samples

    @property
    def reads_from(self) -> int:
        """The sample from which strips are run, so that all that sounds into the part is there."""
        memories = [memory_of(self._recipe.stems[name], self.sample_rate) for name in self._names()]
        n_samples = max(memories, default=0) + desk_memory(self._recipe, self._names(), len(self._reverb_NC))
        return max(0, self.start - n_samples) // BLOCK * BLOCK

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
    processes: int = 1,
) -> Iterator[tuple[int, dict[str, Block]]]:
    """Render a song as terms that sum to the console's mix, as (start, {name: term_TC}).

    A term is a stem (named as in the recipe) or a bus, with its share of the reverb. Muted stems have no
    term, nor has a bus without a stem that sounds. Equalisers of buses are run on each term, and of their
    compressors each term has the gain that was found from the sum. The sum of the terms is the mix within
    float32 rounding (below -120 dBFS).
    """
    renderer = ConsoleRenderer(
        song, recipe, start=start, n_samples=n_samples, repair=repair, processes=processes
    )
    return renderer.terms(by)


def mix_length(song: Song, sample_rate: int) -> int:
    """Length of a song's mix in samples at a rate: its longest stem, rounded up."""
    return max((samples_at(stem, sample_rate) for stem in song.stems), default=0)


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
            low_decay=reverb.low_decay,
            high_decay=reverb.high_decay,
            low_hz=reverb.low_hz,
            high_hz=reverb.high_hz,
        )
    except ValueError as error:
        raise SettingsError(f"the recipe's reverb: {error}.", code="E411") from error
    return response_NC * np.float32(db_to_gain(reverb.return_db))


def _part_length(song: Song, recipe: Recipe, start: int, n_samples: int | None) -> int:
    if start < 0 or (n_samples is not None and n_samples < 0):
        raise ValueError("a part of a song cannot begin before it, nor have a negative length")
    rest = max(0, mix_length(song, recipe.sample_rate) - start)
    return rest if n_samples is None else min(n_samples, rest)

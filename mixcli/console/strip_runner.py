"""Reading the stems of a song and running their strips, in one process or several, with the same result."""

from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from mixcli.console.delayed_stem import DelayedStem
from mixcli.console.recipe import Recipe
from mixcli.console.strip import ChannelStrip, StripBlock
from mixcli.console.wide_sum import WideBlock
from mixcli.process_streams import Arrays, open_stream
from mixcli.songs.cores import share_out
from mixcli.songs.song import Stem

Strips = Iterator[tuple[str, StripBlock | WideBlock]]


class StripRunner:
    """The strips of stems, from sample `first` of the song on, in `n_blocks` blocks of `n_samples`.

    A strip is run block after block and the strips of a block come in the order of the stems, so in how many
    processes they are run (`processes` at most, and one for a short song) changes no sample. Only a few
    blocks of strips are in memory at a time. Those in `apart` may come as WideBlocks. A context manager;
    raises SongError.
    """

    def __init__(
        self,
        stems: Sequence[Stem],
        recipe: Recipe,
        *,
        first: int,
        n_blocks: int,
        n_samples: int,
        repair: bool = False,
        processes: int = 1,
        apart: Collection[str] = (),
    ) -> None:
        self._names = [stem.name for stem in stems]
        self._n_blocks = n_blocks
        most_s = n_blocks * n_samples / recipe.sample_rate
        work_s = {stem.name: min(stem.duration_s, most_s) * stem.n_channels for stem in stems}
        shares = share_out(work_s, processes)
        self._is_shared = len(shares) > 1
        self._open_streams = ExitStack()
        self._streams: dict[str, Iterator[tuple[Any, Arrays]]] = {}
        with ExitStack() as opened:
            for names in shares:
                share = [stem for stem in stems if stem.name in names]
                run = (run_strips, share, recipe, first, n_blocks, n_samples, repair, frozenset(apart))
                stream = opened.enter_context(open_stream(*run, apart=self._is_shared))
                self._streams |= dict.fromkeys(names, stream)
            self._open_streams = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_streams.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[Strips]:
        """The strips that sound in each block; those of one must be taken before the next.

        What a WideBlock holds is there until the next strip is taken.
        """
        for _ in range(self._n_blocks):
            yield self._strips()

    def _strips(self) -> Strips:
        for name in self._names:
            block = _unpacked(*next(self._streams[name]), copied=self._is_shared)
            if block is not None:
                yield name, block


def run_strips(
    stems: Sequence[Stem],
    recipe: Recipe,
    first: int,
    n_blocks: int,
    n_samples: int,
    repair: bool,
    apart: Collection[str],
) -> Generator[tuple[Any, Arrays]]:
    """Run strips side by side: block by block what each gives, in their order, packed for `_unpacked`."""
    rate = recipe.sample_rate
    with ExitStack() as open_files:
        readers, strips = [], []
        for stem in stems:
            part = recipe.stems[stem.name]
            reader = DelayedStem(stem, rate, delay_ms=part.delay_ms, start=first, repair=repair)
            open_files.callback(reader.close)
            readers.append(reader)
            strips.append(
                ChannelStrip(
                    stem.name,
                    part,
                    recipe.buses[part.bus],
                    n_channels=stem.n_channels,
                    sample_rate=rate,
                    start=first,
                    apart=stem.name in apart,
                )
            )
        for _ in range(n_blocks):
            for reader, strip in zip(readers, strips, strict=True):
                yield _packed(strip.push(reader.read(n_samples)))


def _packed(block: StripBlock | WideBlock | None) -> tuple[Any, Arrays]:
    """A block as its arrays, and what is needed to put them together again."""
    if block is None:
        return None, ()
    sends = () if block.send_T is None else (block.send_T,)
    if isinstance(block, StripBlock):
        return (), (block.panned_TC, *sends)
    sides = () if block.side_PF is None else (block.side_PF,)
    return (block.mid_gains, block.side_gains, len(sides)), (block.mid_T, *sides, *sends)


def _unpacked(what: Any, arrays: Arrays, *, copied: bool) -> StripBlock | WideBlock | None:
    """A block again. A StripBlock may be kept, so what lies in another process's memory is copied for it."""
    if what is None:
        return None
    if not what:
        kept = [array.copy("K") for array in arrays] if copied else arrays
        return StripBlock(kept[0], kept[1] if len(kept) > 1 else None)
    mid_gains, side_gains, n_sides = what
    mid_T, *others = arrays
    sends = others[n_sides:]
    return WideBlock(
        mid_T, mid_gains, others[0] if n_sides else None, side_gains, sends[0] if sends else None
    )

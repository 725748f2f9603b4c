"""Reading the stems of a song and running their strips, several at a time and always with the same result."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

from mixcli.console.delayed_stem import DelayedStem
from mixcli.console.recipe import Recipe
from mixcli.console.strip import ChannelStrip, StripBlock
from mixcli.console.wide_sum import WideBlock
from mixcli.songs.cores import n_threads
from mixcli.songs.song import Stem

AHEAD_PER_THREAD = 8  # strips that are run while others are summed, and their sum sent through the reverb

Task = TypeVar("Task")
Done = TypeVar("Done")
Strips = Iterator[tuple[str, StripBlock | WideBlock]]


class StripRunner:
    """The strips of stems, from sample `first` of the song on, in `threads` threads (None: one per core).

    A strip is run block after block and the strips of a block come in the order of the stems, so how many
    threads there are changes no sample. Only a few blocks of strips are in memory at a time. A context
    manager; Raises SongError.
    """

    def __init__(
        self,
        stems: Sequence[Stem],
        recipe: Recipe,
        *,
        first: int,
        repair: bool = False,
        threads: int | None = None,
        apart: Collection[str] = (),
    ) -> None:
        def made(stem: Stem) -> tuple[DelayedStem, ChannelStrip]:
            part, rate = recipe.stems[stem.name], recipe.sample_rate
            strip = ChannelStrip(
                stem.name,
                part,
                recipe.buses[part.bus],
                n_channels=stem.n_channels,
                sample_rate=rate,
                start=first,
                apart=stem.name in apart,
            )
            return DelayedStem(stem, rate, delay_ms=part.delay_ms, start=first, repair=repair), strip

        n_workers = threads or n_threads()
        # A strip's next block must not begin before its last one is done: fewer are under way than strips.
        self._n_ahead = min(len(stems) - 1, AHEAD_PER_THREAD * n_workers)
        self._pool = ThreadPoolExecutor(n_workers) if n_workers > 1 and self._n_ahead > 0 else None
        self._readers: dict[str, DelayedStem] = {}
        self._strips: dict[str, ChannelStrip] = {}
        try:
            ready = map(made, stems) if self._pool is None else self._pool.map(made, stems)
            for stem, (reader, strip) in zip(stems, ready, strict=True):
                self._readers[stem.name], self._strips[stem.name] = reader, strip
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let what is under way come to its end, then close the files; closing twice does no harm."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        for reader in self._readers.values():
            reader.close()

    def blocks(self, n_blocks: int, n_samples: int) -> Iterator[Strips]:
        """The strips that sound in each of the next blocks; those of one must be taken before the next."""
        names = list(self._readers)

        def run(name: str) -> tuple[str, StripBlock | WideBlock | None]:
            return name, self._strips[name].push(self._readers[name].read(n_samples))

        tasks = (name for _ in range(n_blocks) for name in names)
        results = map(run, tasks) if self._pool is None else _in_order(self._pool, run, tasks, self._n_ahead)
        for _ in range(n_blocks):
            yield ((name, block) for name, block in islice(results, len(names)) if block is not None)


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Task], Done], tasks: Iterable[Task], n_ahead: int
) -> Iterator[Done]:
    """Results in the order of their tasks, of which `n_ahead` are under way behind the one waited for."""
    waiting: deque[Future[Done]] = deque()
    for task in tasks:
        waiting.append(pool.submit(function, task))
        if len(waiting) > n_ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()

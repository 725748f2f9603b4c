"""A connection to a Dask scheduler: songs go out, words and results come back. A broken one is replaced."""

import json
import logging
import queue
import re
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mixcli import __version__
from mixcli.audio.wording import printable
from mixcli.batching.dask_task import song_on_worker
from mixcli.batching.work import SongTask
from mixcli.errors import DeviceError

CONNECT_S = 10.0  # what one try to reach the scheduler may take
FETCH_S = 5.0  # what a result may take to come; it is looked for again later
COUNT_EVERY_S = 2.0  # how often the workers are counted
CLEAN_UP_S = 10.0  # what workers have to give up their songs
PER_THREAD = 2  # songs that are with the cluster, so that no worker waits for the next one
FEWEST = 4  # before there are workers; clusters that grow by demand see it by these
HOST_AND_PORT = re.compile(r"[\w.-]+:\d+")


class SchedulerLost(Exception):
    """The scheduler cannot be reached, or has forgotten what it was given."""


def check_package() -> None:
    """Raise DeviceError E604 where Dask is not installed. Nothing is loaded."""
    if find_spec("distributed") is None:
        hint = "pip install 'mixcli[dask]', where all workers start too."
        raise DeviceError("--engine dask needs the package distributed.", code="E604", hint=hint)


class DaskSession:
    """Songs at a scheduler, given as `tcp://HOST:PORT` or as the file that it writes its address to.

    Every method raises SchedulerLost; after that it can only be dropped.
    """

    def __init__(self, scheduler: str, topic: str) -> None:
        address = scheduler_address(scheduler)
        from distributed import Client

        self._topic = topic
        self._words: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._at_work: set[int] = set()  # songs that have begun and not ended
        self._futures: dict[int, Any] = {}
        self._room, self._counted_at = FEWEST, -COUNT_EVERY_S
        connect: Any = Client  # Dask declares few of its types
        try:
            self._client: Any = connect(address, timeout=CONNECT_S, name="mixcli", set_as_default=False)
        except (OSError, ValueError, ImportError) as error:  # an address of another kind, too
            raise SchedulerLost(f"no Dask scheduler at {printable(address)}") from error
        self._client.subscribe_topic(topic, lambda event: self._words.put(event[1]))

    def submit(self, index: int, task: SongTask, name: str) -> None:
        """Hand over a song. The same name again takes up the same work, where the scheduler still has it."""
        with _translated():
            self._futures[index] = self._client.submit(
                song_on_worker, task, __version__, self._topic, index, key=name, pure=False
            )

    def room(self) -> int:
        """How many songs should be with the cluster: some more than it has threads."""
        if time.monotonic() - self._counted_at >= COUNT_EVERY_S:
            with _translated():
                threads: dict[str, int] = self._client.nthreads()
            self._room = max(PER_THREAD * sum(threads.values()), FEWEST)
            self._counted_at = time.monotonic()
        return self._room

    def words(self, wait_s: float) -> Iterator[dict[str, Any]]:
        """What songs have said since the last time; waits for the first word so long."""
        with suppress(queue.Empty):
            while True:
                word = self._words.get(timeout=wait_s)
                wait_s = 0.0
                if word["kind"] == "ended":
                    self._at_work.discard(word["index"])
                else:
                    self._at_work.add(word["index"])
                    yield word

    def ended(self) -> Iterator[tuple[int, Any]]:
        """Songs that have come to an end, with the result, or the exception that there is instead."""
        if self._client.status != "running":
            raise SchedulerLost("the Dask scheduler was lost")
        for index, future in list(self._futures.items()):
            if future.status == "cancelled":
                raise SchedulerLost("the Dask scheduler has forgotten its songs")
            if future.status not in ("finished", "error"):
                continue
            with _translated():
                try:
                    what = future.exception(timeout=FETCH_S) or future.result(timeout=FETCH_S)
                except TimeoutError:  # its worker was lost with it: it is made again
                    continue
                except Exception:
                    if future.status != "error":
                        raise
                    continue  # it was made again, in vain, while its result was fetched: told the next time
            if isinstance(what, CancelledError):
                raise SchedulerLost("the Dask scheduler has forgotten its songs")
            del self._futures[index]
            yield index, what

    def close(self) -> None:
        """Take back the songs that have not ended, and wait until their workers have let go of them."""
        with suppress(Exception):  # a connection that breaks now breaks in many ways
            if self._futures and self._client.status == "running":
                self._client.cancel(list(self._futures.values()))
                until = time.monotonic() + CLEAN_UP_S
                while self._at_work and time.monotonic() < until:
                    list(self.words(0.1))
        self.drop()

    def drop(self) -> None:
        """Close the connection; the scheduler forgets what came by it."""
        with suppress(Exception):
            self._client.close(timeout=CLEAN_UP_S)


def configured_scheduler() -> str | None:
    """The scheduler that Dask's own settings name, as the variable DASK_SCHEDULER_ADDRESS does."""
    import dask.config

    address = dask.config.get("scheduler-address", None)
    return None if address is None else str(address)


def scheduler_address(scheduler: str) -> str:
    """The address of a scheduler, from its file where it is one. Raises SchedulerLost."""
    if "://" in scheduler or HOST_AND_PORT.fullmatch(scheduler):
        return scheduler
    named = printable(scheduler)
    try:
        return str(json.loads(Path(scheduler).read_text("utf-8"))["address"])
    except OSError as error:
        raise SchedulerLost(f'no file "{named}" of a Dask scheduler') from error
    except (ValueError, LookupError, TypeError) as error:  # or it is being written
        raise SchedulerLost(f'"{named}" is not the file of a Dask scheduler') from error


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep Dask's own log off stderr, in this process: what matters is said by who catches the failures."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _translated() -> Iterator[None]:
    from distributed.client import ClosedClientError

    try:
        yield
    except (OSError, CancelledError, ClosedClientError) as error:
        raise SchedulerLost("the Dask scheduler was lost") from error

"""Streams of arrays that are made in processes of their own, a few items ahead of the one who takes them."""

import ctypes
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import heap, resource_tracker, util
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import DeviceError, MixcliError
from mixcli.freed_memory import keep_freed_memory
from mixcli.parent_watch import end_with_parent

RING_BYTES = 16 << 20  # of arrays that are made and not yet taken
ALIGNMENT = 64  # bytes
END_S = 5.0  # what a process has for its end, before it is killed
# What every process would load first, loaded once for all where one can be the copy of another.
LOADED_FIRST = ["scipy.fft", "soundfile", "soxr", "pydantic"]

Arrays = tuple[NDArray[Any], ...]
Item = tuple[Any, Arrays]


def open_stream(
    make: Callable[..., Generator[Item]], *arguments: Any, apart: bool
) -> AbstractContextManager[Iterator[Item]]:
    """What `make(*arguments)` yields, item by item, made in a process of its own or in this one.

    Where the system has no more processes or no memory to share, it is made in this one.
    """
    if apart:
        with suppress(OSError, EOFError):
            return ProcessStream(make, *arguments)
    return closing(make(*arguments))


class ProcessStream:
    """Iterates over what a generator function yields in another process: (what, arrays).

    `make(*arguments)` and each `what` are pickled. The arrays lie in memory that both processes have, in the
    order of axes that they were made with, and only until the next item is asked for. The process runs ahead
    until 16 MiB wait; it leaves interruptions to this one, and ends with it. A context manager; what `make`
    raises is raised here, in its turn, and DeviceError E608 where the process died. Raises OSError and
    EOFError where the process cannot be begun.
    """

    def __init__(self, make: Callable[..., Iterable[Item]], *arguments: Any) -> None:
        context = _context(make.__module__)
        ring = _new_ring(context)
        self._memory = _bytes_of(ring)
        self._connection, theirs = context.Pipe()
        # When Python ends, this must come before it waits for all processes.
        self._close = util.Finalize(self, self._connection.close, exitpriority=0)
        self._process = context.Process(target=_run, args=(theirs, ring, make, arguments), daemon=True)
        with _interrupts_held():
            self._process.start()
        theirs.close()  # or the end of the process would not be seen
        self._in_use = 0  # bytes of the item that was given last
        self._has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._process.join(0 if error is not None else END_S)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if self._has_ended:
            raise StopIteration
        if self._in_use:
            with suppress(OSError):  # it has told all and ended already
                self._connection.send(self._in_use)
            self._in_use = 0
        try:
            told = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(told, _Told):
            self._in_use = told.n_bytes
            return told.what, tuple(array.of(self._memory) for array in told.arrays)
        self._has_ended = True
        if isinstance(told, _Raised):
            raise told.error
        raise StopIteration

    def _lost(self) -> DeviceError:
        self._process.join(END_S)
        code = self._process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        killed = -code == getattr(signal, "SIGKILL", None)
        return DeviceError(
            f"a process that helped with this song died ({how})"
            + ("; most likely memory was short." if killed else "."),
            code="E608",
            hint="close what else needs memory, or set OMP_NUM_THREADS=1 for one process.",
        )


@dataclass(frozen=True)
class _Placed:
    """An array in the ring. `turned` says that its first axis is the one that varies fastest."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    turned: bool

    def of(self, memory: memoryview) -> NDArray[Any]:
        shape = self.shape[::-1] if self.turned else self.shape
        array: NDArray[Any] = np.ndarray(shape, self.dtype, memory, self.offset)
        return array.T if self.turned else array


@dataclass(frozen=True)
class _Told:
    """An item; `n_bytes` of the ring are free again when it was used."""

    what: Any
    arrays: tuple[_Placed, ...]
    n_bytes: int


@dataclass(frozen=True)
class _Raised:
    error: Exception


class _Left(Exception):
    """Nobody takes it any more."""


class _Sender:
    """Puts items into the ring, one behind the other, and waits where they would not fit."""

    def __init__(self, connection: Connection, memory: memoryview) -> None:
        self._connection, self._memory = connection, memory
        self._head = self._n_used = 0

    def send_item(self, what: Any, arrays: Arrays) -> None:
        sizes = [-(-array.nbytes // ALIGNMENT) * ALIGNMENT for array in arrays]
        n_bytes = sum(sizes)
        if n_bytes > RING_BYTES // 2:
            raise ValueError(f"an item of {n_bytes} bytes is too large for a stream")
        n_passed = 0
        if self._head + n_bytes > RING_BYTES:  # in one piece: what is left before the end is passed over
            n_passed, self._head = RING_BYTES - self._head, 0
        self._make_room(n_passed + n_bytes)
        placed = []
        for array, size in zip(arrays, sizes, strict=True):
            turned = array.flags.f_contiguous and not array.flags.c_contiguous
            placed.append(_Placed(self._head, array.shape, array.dtype, turned))
            placed[-1].of(self._memory)[...] = array
            self._head += size
        self._n_used += n_passed + n_bytes
        self.send(_Told(what, tuple(placed), n_passed + n_bytes))

    def send(self, told: _Told | _Raised | None) -> None:
        try:
            self._connection.send(told)
        except OSError as error:
            raise _Left from error

    def _make_room(self, n_bytes: int) -> None:
        """Hear what is free again, and wait until so much is."""
        try:
            while self._n_used + n_bytes > RING_BYTES or self._connection.poll():
                self._n_used -= self._connection.recv()
        except (EOFError, OSError) as error:
            raise _Left from error


def _run(
    connection: Connection, ring: Any, make: Callable[..., Iterable[Item]], arguments: tuple[Any, ...]
) -> None:
    """The life of a process: all items, then the end, or what was raised."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    keep_freed_memory()
    sender = _Sender(connection, _bytes_of(ring))
    with suppress(_Left):
        try:
            for what, arrays in make(*arguments):
                sender.send_item(what, arrays)
        except _Left:
            raise
        except Exception as error:
            sender.send(_Raised(_as_told(error)))
        else:
            sender.send(None)


def _as_told(error: Exception) -> Exception:
    """An error as it can be told to another process, with the place where it was raised."""
    if isinstance(error, MixcliError):
        return error
    trace = traceback.format_exc()
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(trace)
    return error


def _new_ring(context: Any) -> Any:
    """Memory for several processes; on Linux without /dev/shm, of which containers have little."""
    if sys.platform != "linux":
        return context.RawArray(ctypes.c_byte, RING_BYTES)
    file = os.memfd_create("mixcli")
    os.ftruncate(file, RING_BYTES)
    arena = heap.Arena(RING_BYTES, file)
    util.Finalize(arena, os.close, (file,))
    return arena


def _bytes_of(ring: Any) -> memoryview:
    return memoryview(ring.buffer if isinstance(ring, heap.Arena) else ring)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """What is begun meanwhile never hears Ctrl-C, not even while it loads what it needs."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # else it is begun with the first process, and lets the signal through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context(module: str) -> Any:
    """How processes are begun: as copies of one that has loaded the libraries, where that is safe."""
    if sys.platform == "linux":
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(
            [*LOADED_FIRST, module]
        )  # what is asked after the first process is begun is not heard
        return context
    return multiprocessing.get_context("spawn")

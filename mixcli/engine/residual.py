"""What a network behind the console adds to the buses: resampled if need be, bounded, and in step.

Letters: K buses, T samples, C = 2 channels.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mixcli.audio.resample import StreamResampler
from mixcli.console.render import ConsoleBlock
from mixcli.engine.bound import ResidualBound
from mixcli.engine.prepare import bus_inputs
from mixcli.engine.stream import open_stream
from mixcli.models.checkpoint import TrainedModel
from mixcli.songs.roles import BUSES

Block = NDArray[np.float32]


class ResidualRenderer:
    """Makes the residual of every bus, block by block.

    The network runs at its own rate; its residual is bounded against the bus (see ResidualBound), then
    scaled by `amount` and the bus's own amount. Where these are 0, or the bus is silent for 50 ms, it is
    exactly 0. What comes in is gone through in pieces of a fixed size, so the result is the same to the bit
    for any sizes of blocks. Torch should run with one thread (see mixcli.engine.stream).
    """

    def __init__(
        self, model: TrainedModel, sample_rate: int, bus_amounts: Sequence[float], amount: float
    ) -> None:
        if model.settings.outputs != "residual":
            raise ValueError(f"{model.name} gives no residuals")
        self._amounts_K11 = (np.asarray(bus_amounts, np.float64) * amount).astype(np.float32)[:, None, None]
        self._is_off = not self._amounts_K11.any()
        self._stream = open_stream(model.module)
        n_in, n_out = model.settings.n_inputs, model.settings.n_outputs
        self._to_network = StreamResampler(sample_rate, model.settings.sample_rate, n_in)
        self._to_song = StreamResampler(model.settings.sample_rate, sample_rate, n_out)
        self._bound = ResidualBound(sample_rate, len(BUSES))
        self._n_in = 0
        self._n_rendered = 0  # samples of the residual before the bound
        self._waiting_KTC: Block = np.zeros((len(BUSES), 0, 2), np.float32)  # of the buses

    def push(self, buses_KTC: Block, mix_TC: Block, *, last: bool = False) -> Block:
        """Take the next samples of the buses `[8, T, 2]` and of the console's mix `[T, 2]`.

        Returns the residuals that are ready, `[8, T', 2]`; with `last` the rest. Over all calls as many
        samples come out as went in, in step with them.
        """
        if self._is_off:
            return np.zeros_like(buses_KTC)
        self._n_in += len(mix_TC)
        inputs_TK = self._to_network.push(bus_inputs(buses_KTC, mix_TC), last=last)
        residual_CT = self._stream.push(torch.from_numpy(np.ascontiguousarray(inputs_TK.T)), last=last)
        residual_TC = self._to_song.push(np.ascontiguousarray(residual_CT.cpu().numpy().T), last=last)
        # Up and down again rounds a length up: what is beyond the song's end is left out.
        residual_TC = residual_TC[: self._n_in - self._n_rendered]
        n_samples = len(residual_TC)
        self._n_rendered += n_samples
        residual_KTC = residual_TC.reshape(n_samples, len(BUSES), 2).transpose(1, 0, 2)
        self._waiting_KTC = np.concatenate([self._waiting_KTC, buses_KTC], axis=1)
        bounded_KTC = self._bound.push(self._waiting_KTC[:, :n_samples], residual_KTC, last=last)
        self._waiting_KTC = self._waiting_KTC[:, n_samples:]
        return bounded_KTC * self._amounts_K11


def add_residual(
    console: Iterable[ConsoleBlock],
    model: TrainedModel,
    sample_rate: int,
    *,
    bus_amounts: Sequence[float],
    amount: float,
) -> Iterator[tuple[ConsoleBlock, Block]]:
    """Pair every block of the console with its residuals `[8, T, 2]`.

    Blocks come a little later than they went in, in order and as they were; only those that the network is
    waiting for are held, about its context. `bus_amounts` are in the order of BUSES.
    """
    renderer = ResidualRenderer(model, sample_rate, bus_amounts, amount)
    held: deque[ConsoleBlock] = deque()
    ready_KTC: Block = np.zeros((len(BUSES), 0, 2), np.float32)

    def take_complete() -> Iterator[tuple[ConsoleBlock, Block]]:
        nonlocal ready_KTC
        while held and held[0].buses_KTC.shape[1] <= ready_KTC.shape[1]:
            block = held.popleft()
            n_samples = block.buses_KTC.shape[1]
            yield block, ready_KTC[:, :n_samples]
            ready_KTC = ready_KTC[:, n_samples:]

    for block in console:
        held.append(block)
        mix_TC = block.buses_KTC.sum(axis=0, dtype=np.float32) + block.returns_TC
        ready_KTC = np.concatenate([ready_KTC, renderer.push(block.buses_KTC, mix_TC)], axis=1)
        yield from take_complete()
    empty_KTC: Block = np.zeros((len(BUSES), 0, 2), np.float32)
    rest_KTC = renderer.push(empty_KTC, np.zeros((0, 2), np.float32), last=True)
    ready_KTC = np.concatenate([ready_KTC, rest_KTC], axis=1)
    yield from take_complete()

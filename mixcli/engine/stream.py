"""The network over a song of any length in bounded memory, equal to one forward pass over the whole song.

Every layer keeps the few frames it needs again, a skip waits for the decoder in a queue, and nothing is
computed twice: no windows, no overlap, no seams. Run it with one intra-op thread (`torch.set_num_threads(1)`,
the business of whoever starts the work): cores are better used by several songs.

Letters: K inputs, C outputs, F features, T samples or frames; the leading 1 is a batch of one.
"""

import torch
from torch import Tensor

from mixcli.engine.streamed_layers import Streamable, StreamedLayers
from mixcli.engine.windows import WindowStream
from mixcli.models.mix_demucs import MixDemucs
from mixcli.models.network import Network

BLOCK = 65_536  # samples: 32,768 to 262,144 are equally fast within a tenth


def open_stream(network: Network) -> "NetworkStream | WindowStream":
    """Return the stream that a network runs in over a song: exact, but for networks with an LSTM."""
    return WindowStream(network) if isinstance(network, MixDemucs) else NetworkStream(network)


class NetworkStream:
    """Feeds a song to a network block by block.

    What comes in is cut again into pieces of `block` samples, so the output is the same to the bit however it
    was cut before. With `starts_song=False` the first `model.context` samples are taken as what came before
    the part of a song that is wanted, which must start on the network's grid: the output begins after them.
    Memory grows with the block and the network's context, not with the song. Bias-free networks skip pieces
    that are silent throughout their reach: the output would be the same zeros.
    """

    def __init__(self, model: Streamable, *, block: int = BLOCK, starts_song: bool = True) -> None:
        self._model = model
        parameter = model.output.weight
        self._context = model.context
        self._piece_1TK = parameter.new_zeros(1, block, model.n_inputs)
        self._n_filled = 0
        self._n_in = 0 if starts_song else -self._context  # samples that an output is wanted for
        self._n_out = 0
        self._layers = StreamedLayers(model)
        self._n_silent = 0  # samples of silence up to the end of the last piece
        self._is_steady = False
        self._ended = False
        if starts_song:
            with torch.inference_mode():  # no output yet: the context gives none
                self._fill(parameter.new_zeros(self._context, model.n_inputs))

    def push(self, block_KT: Tensor, *, last: bool = False) -> Tensor:
        """Take the next samples of the inputs, `[K, T]`; returns what is ready of the mix, `[C, T']`.

        With `last` the rest of the mix comes; over all calls as many samples come out as went in.
        """
        if self._ended:
            raise ValueError("the song has ended")
        with torch.inference_mode():
            self._n_in += block_KT.shape[1]
            ready = self._fill(block_KT.T)
            if last:
                self._ended = True
                ready += self._finish()
            mix_CT = torch.cat([self._piece_1TK.new_zeros(0, self._model.n_outputs), *ready]).T
            mix_CT = mix_CT[:, : max(self._n_in, 0) - self._n_out]
            self._n_out += mix_CT.shape[1]
            return mix_CT.contiguous()

    def _fill(self, block_TK: Tensor) -> list[Tensor]:
        """Copy samples into the current piece and run every piece that is full."""
        ready = []
        size = self._piece_1TK.shape[1]
        start = 0
        while start < block_TK.shape[0]:
            n_taken = min(size - self._n_filled, block_TK.shape[0] - start)
            self._piece_1TK[0, self._n_filled : self._n_filled + n_taken] = block_TK[start : start + n_taken]
            self._n_filled += n_taken
            start += n_taken
            if self._n_filled == size:
                ready.append(self._run(self._piece_1TK, last=False))
                self._n_filled = 0
        return ready

    def _finish(self) -> list[Tensor]:
        """Pad to a length of the network and run the last piece."""
        if self._n_in <= 0:
            return []
        n_after = self._model.valid_input_length(self._n_in) - self._context - self._n_in
        ready = self._fill(self._piece_1TK.new_zeros(n_after, self._model.n_inputs))
        return [*ready, self._run(self._piece_1TK[:, : self._n_filled], last=True)]

    def _run(self, piece_1TK: Tensor, *, last: bool) -> Tensor:
        """Run a piece `[1, T, K]` through the layers and return the mix `[T', C]` that it completes."""
        model = self._model
        n_samples = piece_1TK.shape[1]
        silent = not bool(piece_1TK.any())
        # Nothing that a layer keeps is older than this; after so much silence all of it is zero.
        forgotten = self._n_silent >= 2 * (model.reach + model.grid)
        self._n_silent = self._n_silent + n_samples if silent else 0
        if silent and forgotten and self._is_steady and not last:
            return piece_1TK.new_zeros(n_samples, model.n_outputs)
        mix_1TC = self._layers.push(piece_1TK, last)
        # Once the network gives a piece for a piece, pieces on the grid leave every layer with as many frames
        # as before. Then leaving out a silent piece changes nothing.
        self._is_steady = not model.bias and n_samples % model.grid == 0 and mix_1TC.shape[1] == n_samples
        return mix_1TC[0]

"""A network that hears the whole piece it is given, over a song of any length in bounded memory.

Its recurrent layer cannot be carried on from block to block, since it also runs backwards. So the song is
gone through in long windows that overlap, and where they do, one is faded into the next in a straight line.
The result is near one pass over the whole song, not equal to it; docs/model.md states how near.

Letters: K inputs, C outputs, T samples.
"""

import torch
from torch import Tensor

from mixcli.models.mix_demucs import MixDemucs

WINDOW = 524_288  # samples: 11.9 s at 44.1 kHz
OVERLAP = 131_072


class WindowStream:
    """Feeds a song to a network window by window.

    Window i gives the mix from sample i·(window − overlap) on, for `window` samples; the last one gives what
    is left of the song. Each also hears, on either side where the song has it, as much as the network's
    convolutions reach, so at a seam only the memory of the LSTM differs. All windows start on the network's
    grid; the usual one is as much longer as that takes. The output is the same to the bit however the song is
    cut before it comes.
    """

    def __init__(self, network: MixDemucs, *, window: int | None = None, overlap: int = OVERLAP) -> None:
        if window is None:
            window = WINDOW + -(WINDOW - overlap) % network.grid
        hop = window - overlap
        if not 0 < overlap <= window // 2 or hop % network.grid:
            raise ValueError(
                f"windows of {window} cannot overlap by {overlap}: they start every {network.grid}"
            )
        self._network = network
        self._window, self._overlap, self._hop = window, overlap, hop
        self._margin = -(-network.reach // network.grid) * network.grid
        parameter = next(network.parameters())
        self._inputs_KT = parameter.new_zeros(network.n_inputs, 0)  # from `_kept_from` on
        self._kept_from = 0
        self._start = 0  # of the next window's mix
        self._tail_CT = parameter.new_zeros(network.n_outputs, 0)  # of the last window, under the next one
        self._ended = False

    def push(self, block_KT: Tensor, *, last: bool = False) -> Tensor:
        """Take the next samples of the inputs, `[K, T]`; returns what is ready of the mix, `[C, T']`.

        With `last` the rest of the mix comes; over all calls as many samples come out as went in.
        """
        if self._ended:
            raise ValueError("the song has ended")
        self._ended = last
        with torch.inference_mode():
            self._inputs_KT = torch.cat([self._inputs_KT, block_KT.to(self._inputs_KT.device)], dim=1)
            ready = [self._tail_CT[:, :0]]
            while (n_heard := self._length()) <= self._inputs_KT.shape[1]:
                ready.append(self._next(self._inputs_KT[:, :n_heard]))
            if last and self._kept_from + self._inputs_KT.shape[1] > self._start:
                ready.append(self._rest())
            return torch.cat(ready, dim=1)

    def _length(self) -> int:
        """Samples that the next window hears, from the first one that is kept."""
        n_before = self._start - self._kept_from
        return self._network.valid_input_length(n_before + self._window + self._margin)

    def _next(self, heard_KT: Tensor) -> Tensor:
        """Run a window and return the mix up to the start of the next one."""
        first = self._start - self._kept_from
        mix_CT = self._faded_in(self._network(heard_KT[None])[0, :, first : first + self._window])
        self._tail_CT = mix_CT[:, self._hop :].clone()
        self._start += self._hop
        keep_from = max(0, self._start - self._margin)
        self._inputs_KT = self._inputs_KT[:, keep_from - self._kept_from :].clone()
        self._kept_from = keep_from
        return mix_CT[:, : self._hop]

    def _rest(self) -> Tensor:
        """Run the last window, to the end of the song."""
        n_samples = self._inputs_KT.shape[1]
        n_after = self._network.valid_input_length(n_samples) - n_samples
        heard_KT = torch.nn.functional.pad(self._inputs_KT, (0, n_after))
        first = self._start - self._kept_from
        return self._faded_in(self._network(heard_KT[None])[0, :, first:n_samples])

    def _faded_in(self, mix_CT: Tensor) -> Tensor:
        """Fade from the window before into this one; the first window has none before it."""
        n_faded = self._tail_CT.shape[1]
        share_T = (torch.arange(n_faded, dtype=mix_CT.dtype) + 0.5) / max(n_faded, 1)
        faded_CT = torch.lerp(self._tail_CT, mix_CT[:, :n_faded], share_T.to(mix_CT.device))
        return torch.cat([faded_CT, mix_CT[:, n_faded:]], dim=1)

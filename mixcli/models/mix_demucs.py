"""Mix-Demucs: the time-domain Demucs from the recordings of a song to its stereo mix.

Letters: B batch, K inputs, C outputs, F features, T samples or frames.
SOURCE: Défossez, Usunier, Bottou, Bach, "Music source separation in the waveform domain", arXiv 1911.13254,
2019; Défossez, "Hybrid spectrogram and waveform source separation", 2021 (layers that pad with zeros).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


class MixDemucs(nn.Module):
    """A U-Net over samples in large steps, with a recurrent layer that hears the whole piece in its middle.

    Each of `depth` levels divides the rate by `stride`: a convolution with a rectifier, then a convolution of
    one tap whose one half gates the other (GLU). Level i (0-based) has `channels`·`channel_factor`^i
    features. In the middle `lstm_layers` bidirectional LSTM layers and a linear one, each as wide as the
    deepest level; none with 0. The way up adds the skip of the level, convolves (`decoder_kernel`) with the
    same gate, and goes a level up with a transposed convolution, followed by a rectifier but at the end. With
    `direct_path` a matrix from the inputs is added to the output, which starts at zero. At the start every
    convolution is scaled so that its standard deviation lies halfway, in decibels, to `rescale`.

    As many samples come out as go in; lengths are those of `valid_input_length`. Zeros are taken beyond the
    ends, and every output sample hears all of the input.
    """

    context = 0  # samples lost at either end

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int = 2,
        depth: int = 5,
        channels: int = 32,
        channel_factor: int = 2,
        kernel: int = 8,
        stride: int = 4,
        decoder_kernel: int = 3,
        lstm_layers: int = 2,
        rescale: float = 0.1,
        direct_path: bool = False,
    ) -> None:
        super().__init__()
        if depth < 1 or stride < 1 or kernel < stride or decoder_kernel % 2 == 0:
            raise ValueError("kernel is at least the stride, decoder_kernel odd, and depth at least 1")
        self.n_inputs, self.n_outputs, self.depth = n_inputs, n_outputs, depth
        self.kernel, self.stride, self.decoder_kernel = kernel, stride, decoder_kernel
        widths = [channels * channel_factor**level for level in range(depth)]
        below = [n_inputs, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.Conv1d(n_in, width, kernel, stride) for n_in, width in zip(below, widths, strict=True)
        )
        self.down_gate = nn.ModuleList(nn.Conv1d(width, 2 * width, 1) for width in widths)
        self.lstm: nn.LSTM | None = None
        self.after_lstm: nn.Linear | None = None
        if lstm_layers:
            self.lstm = nn.LSTM(widths[-1], widths[-1], lstm_layers, bidirectional=True)
            self.after_lstm = nn.Linear(2 * widths[-1], widths[-1])
        # From the deepest level to the first, in the order of the signal.
        self.up_gate = nn.ModuleList(
            nn.Conv1d(width, 2 * width, decoder_kernel, padding=decoder_kernel // 2)
            for width in reversed(widths)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose1d(width, n_out, kernel, stride)
            for width, n_out in zip(reversed(widths), [*reversed(widths[:-1]), n_outputs], strict=True)
        )
        self.direct = nn.Conv1d(n_inputs, n_outputs, 1, bias=False) if direct_path else None
        self._initialise(rescale)

    def _initialise(self, rescale: float) -> None:
        if self.down[0].weight.is_meta:
            return  # only shapes are wanted
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, (nn.Conv1d, nn.ConvTranspose1d)) and module is not self.direct:
                    scale = 1.0 if module.weight.numel() < 2 else (module.weight.std() / rescale).sqrt()
                    module.weight /= scale
                    if module.bias is not None:
                        module.bias /= scale
            if self.direct is not None:
                self.direct.weight.zero_()

    @property
    def grid(self) -> int:
        """Samples between two frames in the middle: parts of a song must start on this grid."""
        grid: int = self.stride**self.depth
        return grid

    @property
    def reach(self) -> int:
        """Samples to either side that the convolutions look, at most; the LSTM looks further."""
        frames: int = sum(self.stride**level for level in range(self.depth))
        return frames * (self.kernel - 1) + frames * self.stride * (self.decoder_kernel // 2)

    def valid_input_length(self, n_samples: int) -> int:
        """Return the smallest input length for at least `n_samples` ≥ 1 output samples."""
        n_frames = n_samples
        for _ in range(self.depth):
            n_frames = max(0, -(-(n_frames - self.kernel) // self.stride)) + 1
        for _ in range(self.depth):
            n_frames = (n_frames - 1) * self.stride + self.kernel
        return n_frames

    def forward(self, inputs_BKT: Tensor) -> Tensor:
        """Mix `[B, K, T]` to `[B, C, T]`; T must be a length of `valid_input_length`."""
        n_samples = inputs_BKT.shape[2]
        if n_samples == 0 or self.valid_input_length(n_samples) != n_samples:
            raise ValueError(f"{n_samples} samples is not a length of this network: ask valid_input_length")
        features_BFT = inputs_BKT
        skips = []
        for conv, gate in zip(self.down, self.down_gate, strict=True):
            features_BFT = functional.glu(gate(functional.relu(conv(features_BFT))), dim=1)
            skips.append(features_BFT)
        if self.lstm is not None and self.after_lstm is not None:
            frames_TBF, _ = self.lstm(features_BFT.permute(2, 0, 1))
            features_BFT = self.after_lstm(frames_TBF).permute(1, 2, 0)
        for index, (gate, conv) in enumerate(zip(self.up_gate, self.up, strict=True)):
            features_BFT = conv(functional.glu(gate(features_BFT + skips.pop()), dim=1))
            if index < self.depth - 1:
                features_BFT = functional.relu(features_BFT)
        return features_BFT if self.direct is None else features_BFT + self.direct(inputs_BKT)

    def output_layer_on_inputs(self) -> Tensor | None:
        """Return a view of the weights `[C, K]` by which inputs reach the output directly, where they do."""
        return None if self.direct is None else self.direct.weight[:, :, 0]

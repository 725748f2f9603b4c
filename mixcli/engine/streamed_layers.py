"""The layers of a Wave-U-Net with their state between the pieces of a song.

Letters: K inputs, C outputs, F features, T frames; the leading 1 is a batch of one. Frames are copied once
per layer, into memory that is used again.
"""

from collections import deque

import torch
from torch import Tensor, nn

from mixcli.models.features_last import convolve, draw_lines, filter_features, low_pass_taps
from mixcli.models.mix_wave_u_net import MixWaveUNet, convolutions
from mixcli.models.toolkit import ToolkitWaveUNet

# Networks whose layers can be carried on from piece to piece, with batch norm as in use (`eval`).
Streamable = MixWaveUNet | ToolkitWaveUNet


class StreamedLayers:
    """The layers of a network with what each of them keeps from piece to piece."""

    def __init__(self, model: Streamable) -> None:
        if isinstance(model, ToolkitWaveUNet) and model.training:
            raise ValueError("batch norm is only the same for every block in evaluation: call eval() first")
        self._model = model
        self._down = [_Convolution(conv) for conv in convolutions(model.down)]
        self._halve = [_halving(model, level) for level in range(model.depth)]
        self._bottleneck = _Convolution(model.bottleneck)
        self._double = [_Doubling(model, index) for index in range(model.depth)]
        self._up = [_Convolution(conv) for conv in convolutions(model.up)]
        self._output = _Convolution(model.output)
        self._faders = _Faders(model) if isinstance(model, MixWaveUNet) and model.faders is not None else None
        crops = [0] * (model.depth + 1)
        if isinstance(model, MixWaveUNet) and model.padding == "valid":
            crops = model.crops()
        self._skips = [_Queue(crop) for crop in crops]  # the network's input, then the levels

    def push(self, stems_1TK: Tensor, last: bool) -> Tensor:
        """Run `[1, T, K]` through all layers; returns the mix `[1, T', C]` that is complete."""
        self._skips[0].put(stems_1TK.clone())  # the caller fills the same memory again
        features_1TF = stems_1TK
        for level in range(self._model.depth):
            features_1TF = self._model.after_down(self._down[level].push(features_1TF, last), level)
            self._skips[level + 1].put(features_1TF)
            features_1TF = self._halve[level].push(features_1TF, last)
        features_1TF = deepest_1TF = self._model.after_bottleneck(self._bottleneck.push(features_1TF, last))
        for index in range(self._model.depth):
            frames_1TF, between_1TF = self._double[index].push(features_1TF, last)
            n_frames = frames_1TF.shape[1] + between_1TF.shape[1]
            joined_1TF = self._up[index].room(n_frames)
            n_skip = joined_1TF.shape[2] - frames_1TF.shape[2]
            self._skips[-1 - index].take_into(joined_1TF[:, :, :n_skip])
            joined_1TF[:, 0::2, n_skip:] = frames_1TF
            joined_1TF[:, 1::2, n_skip:] = between_1TF
            features_1TF = self._model.after_up(self._up[index].run(last), index)
        joined_1TF = self._output.room(features_1TF.shape[1])
        ready_1TK = joined_1TF[:, :, : stems_1TK.shape[2]]
        self._skips[0].take_into(ready_1TK)
        joined_1TF[:, :, stems_1TK.shape[2] :] = features_1TF
        mix_1TC = self._output.run(last)
        if self._faders is not None:
            mix_1TC = self._faders.add(mix_1TC, deepest_1TF, ready_1TK, last)
        return self._model.activate_output(mix_1TC)


class _Window:
    """The frames `[1, T, F]` that a layer reads: those it still needs, then the new ones.

    A layer makes a frame from `reach` frames, every `stride` frames.
    """

    def __init__(self, reach: int, stride: int, empty_1TF: Tensor) -> None:
        self._reach = reach
        self._stride = stride
        self._memory_1TF = empty_1TF
        self._start = 0
        self._stop = empty_1TF.shape[1]

    def room(self, n_frames: int) -> Tensor:
        """Return the memory for the next frames, to be written to."""
        kept_1TF = self._memory_1TF[:, self._start : self._stop].clone()
        n_kept = kept_1TF.shape[1]
        if n_kept + n_frames > self._memory_1TF.shape[1]:
            self._memory_1TF = kept_1TF.new_empty(1, n_kept + n_frames, kept_1TF.shape[2])
        self._memory_1TF[:, :n_kept] = kept_1TF
        self._start, self._stop = 0, n_kept + n_frames
        return self._memory_1TF[:, n_kept : self._stop]

    def frames(self) -> Tensor:
        """Return all frames there are; valid until `room`."""
        return self._memory_1TF[:, self._start : self._stop]

    def ready(self) -> Tensor:
        """Return the frames that the next outputs are made of, or none; valid until `room`."""
        n_ready = max(0, (self._stop - self._start - self._reach) // self._stride + 1)
        start = self._start
        self._start += n_ready * self._stride
        n_read = (n_ready - 1) * self._stride + self._reach if n_ready else 0
        return self._memory_1TF[:, start : start + n_read]

    def pad(self, n_frames: int) -> None:
        """Append zeros."""
        self.room(n_frames).zero_()


class _Convolution:
    """A convolution; the zeros it would pad with stand at the ends of the song alone."""

    def __init__(self, conv: nn.Conv1d) -> None:
        self._conv = conv
        self._n_around = int(conv.padding[0])
        empty_1TF = conv.weight.new_zeros(1, self._n_around, conv.in_channels)
        self._window = _Window(conv.kernel_size[0], conv.stride[0], empty_1TF)

    def push(self, frames_1TF: Tensor, last: bool) -> Tensor:
        self.room(frames_1TF.shape[1])[:] = frames_1TF
        return self.run(last)

    def room(self, n_frames: int) -> Tensor:
        return self._window.room(n_frames)

    def run(self, last: bool) -> Tensor:
        if last:
            self._window.pad(self._n_around)
        ready_1TF = self._window.ready()
        if ready_1TF.shape[1] == 0:
            return ready_1TF.new_zeros(1, 0, self._conv.out_channels)
        return convolve(ready_1TF, self._conv, padding=0)


class _Decimation:
    """Every second frame."""

    def __init__(self) -> None:
        self._n_to_skip = 0

    def push(self, frames_1TF: Tensor, _last: bool) -> Tensor:
        kept_1TF = frames_1TF[:, self._n_to_skip :: 2]
        self._n_to_skip = (self._n_to_skip - frames_1TF.shape[1]) % 2
        return kept_1TF


class _HalfBand:
    """Every second frame of the half-band filtered features."""

    def __init__(self, taps_J: Tensor, n_features: int, *, same: bool) -> None:
        self._taps_J = taps_J
        self._n_around = taps_J.shape[0] // 2 if same else 0
        self._window = _Window(taps_J.shape[0], 2, taps_J.new_zeros(1, self._n_around, n_features))

    def push(self, frames_1TF: Tensor, last: bool) -> Tensor:
        self._window.room(frames_1TF.shape[1])[:] = frames_1TF
        if last:
            self._window.pad(self._n_around)
        ready_1TF = self._window.ready()
        return filter_features(ready_1TF, self._taps_J, stride=2) if ready_1TF.shape[1] else ready_1TF


class _Doubling:
    """The doubling of the rate: frames, and the values between them."""

    def __init__(self, model: Streamable, index: int) -> None:
        self._taps = model.taps_between(index)
        n_taps = self._taps.shape[-1]
        self._n_before = n_taps // 2 - 1
        self._same = model.padding == "same"
        n_features = [model.bottleneck, *convolutions(model.up)][index].out_channels
        empty_1TF = self._taps.new_zeros(1, self._n_before if self._same else 0, n_features)
        self._window = _Window(n_taps, 1, empty_1TF)

    def push(self, frames_1TF: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """Return frames and the values that follow each of them; without padding a song ends with a frame."""
        self._window.room(frames_1TF.shape[1])[:] = frames_1TF
        if last and self._same:
            self._window.pad(self._n_before + 1)
        frames_1TF = self._window.frames()
        ready_1TF = self._window.ready()
        between_1TF = filter_features(ready_1TF, self._taps) if ready_1TF.shape[1] else ready_1TF
        n_frames = between_1TF.shape[1] + (1 if last and not self._same else 0)
        return frames_1TF[:, self._n_before : self._n_before + n_frames], between_1TF


class _Faders:
    """The gains of the inputs: straight lines between those of the bottleneck's frames."""

    def __init__(self, model: MixWaveUNet) -> None:
        self._model = model
        n_gains = model.n_outputs * model.n_inputs
        self._gains_1TG = model.output.weight.new_zeros(
            1, 0, n_gains
        )  # from the last frame before `_position`
        self._position = model.fader_start  # of the next sample, in samples from the first of these frames

    def add(self, mix_1TC: Tensor, deepest_1TF: Tensor, stems_1TK: Tensor, last: bool) -> Tensor:
        """Take the next frames, and add the inputs with their gains to the next samples of the mix."""
        if deepest_1TF.shape[1]:
            self._gains_1TG = torch.cat([self._gains_1TG, self._model.draw_faders(deepest_1TF)], dim=1)
        n_samples, grid = mix_1TC.shape[1], self._model.grid
        if n_samples == 0:
            return mix_1TC
        first, stop = self._position, self._position + n_samples
        lines_1TG = draw_lines(self._gains_1TG[:, : -(-stop // grid) + 1], grid, hold=last)
        n_done = stop // grid
        self._gains_1TG, self._position = self._gains_1TG[:, n_done:], stop - n_done * grid
        return self._model.add_faders(mix_1TC, lines_1TG[:, first:stop], stems_1TK)


class _Queue:
    """A skip on its way to the decoder: loses its first `crop` frames, then waits."""

    def __init__(self, crop: int) -> None:
        self._n_to_drop = crop
        self._waiting: deque[Tensor] = deque()

    def put(self, frames_1TF: Tensor) -> None:
        self._waiting.append(frames_1TF)

    def take_into(self, room_1TF: Tensor) -> None:
        """Move as many frames as there is room for."""
        n_moved = 0
        while n_moved < room_1TF.shape[1]:
            first_1TF = self._waiting[0][:, self._n_to_drop :]
            n_taken = min(first_1TF.shape[1], room_1TF.shape[1] - n_moved)
            room_1TF[:, n_moved : n_moved + n_taken] = first_1TF[:, :n_taken]
            n_moved += n_taken
            self._n_to_drop += n_taken
            if self._n_to_drop >= self._waiting[0].shape[1]:
                self._n_to_drop -= self._waiting.popleft().shape[1]


def _halving(model: Streamable, level: int) -> _Convolution | _Decimation | _HalfBand:
    if isinstance(model, ToolkitWaveUNet) or model.downsampling == "strided":
        return _Convolution(convolutions(model.strided)[level])
    if model.downsampling == "decimate":
        return _Decimation()
    taps_J = low_pass_taps(model.half_band_J)
    return _HalfBand(taps_J, convolutions(model.down)[level].out_channels, same=model.padding == "same")

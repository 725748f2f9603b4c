"""The mix of a network that mixes stems directly, at the rate of the song."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from mixcli.audio.filters import SosFilter, butterworth_high_pass
from mixcli.audio.resample import StreamResampler
from mixcli.engine.input_levels import measure_input_gains
from mixcli.engine.prepare import InputPlan, InputReader
from mixcli.engine.stream import BLOCK, open_stream
from mixcli.models.checkpoint import TrainedModel

Block = NDArray[np.float32]

OFFSET_HZ = 1.0  # below this a mix has nothing to hear: at 50 Hz it turns the phase by 1.1 degrees


def render_direct(
    plan: InputPlan,
    model: TrainedModel,
    sample_rate: int,
    *,
    start: int,
    n_samples: int,
    repair: bool = False,
) -> Iterator[Block]:
    """Yield `n_samples` samples of the mix from sample `start` on, in blocks `[T, 2]` of any size.

    Both are in samples of `sample_rate`. The song is always gone through from its beginning, so a part of
    it has the samples of the whole; after its end there is silence. A network with biases puts an offset into
    its mix, which a high-pass of first order at 1 Hz takes out; the toolkit's layout, which is there to read
    published files, is left as it is, sample for sample. Raises SongError while reading.
    """
    stop = start + n_samples
    position = 0
    for block_TC in _whole_song(plan, model, sample_rate, repair):
        wanted_TC = block_TC[max(start - position, 0) : max(stop - position, 0)]
        position += len(block_TC)
        if len(wanted_TC):
            yield wanted_TC
        if position >= stop:
            return
    if position < stop:
        yield np.zeros((stop - max(position, start), 2), np.float32)


def _whole_song(plan: InputPlan, model: TrainedModel, sample_rate: int, repair: bool) -> Iterator[Block]:
    stream = open_stream(model.module)
    to_song = StreamResampler(plan.sample_rate, sample_rate, model.settings.n_outputs)
    sections = butterworth_high_pass(OFFSET_HZ, plan.sample_rate, 1)
    no_offset = SosFilter(sections, model.settings.n_outputs) if model.settings.layout != "toolkit" else None
    gains_K1 = measure_input_gains(plan, model.settings, repair=repair)[:, None]
    with InputReader(plan, repair=repair) as reader:
        for first in range(0, reader.n_samples, BLOCK):
            n_read = min(BLOCK, reader.n_samples - first)
            last = first + n_read == reader.n_samples
            inputs_KT = np.ascontiguousarray(reader.read(n_read).T) * gains_K1
            mix_CT = stream.push(torch.from_numpy(inputs_KT), last=last)
            mix_TC = np.ascontiguousarray(mix_CT.cpu().numpy().T)
            if no_offset is not None:
                mix_TC = no_offset.push(mix_TC)
            yield to_song.push(np.ascontiguousarray(mix_TC), last=last)

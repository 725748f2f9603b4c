import gc
import itertools

import pytest
import torch

from mixcli.engine.stream import NetworkStream
from mixcli.models.checkpoint import build_model
from mixcli.models.mix_wave_u_net import MixWaveUNet, convolutions
from mixcli.models.network import render_whole
from mixcli.models.settings import BASE, PAPER

SETTINGS = {"paper": PAPER, "base": BASE}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(before)


def initialise(model: MixWaveUNet) -> MixWaveUNet:
    """Every layer by He, the last one too, and biases that are not zero."""
    for conv in convolutions(torch.nn.ModuleList(model.modules())):
        torch.nn.init.kaiming_normal_(conv.weight, a=model.negative_slope)
        if conv.bias is not None:
            torch.nn.init.normal_(conv.bias, 0, 0.05)
    return model


def small(**settings) -> MixWaveUNet:
    sizes = {"n_inputs": 3, "depth": 2, "channel_growth": 4, "down_kernel": 5, "bottleneck_kernel": 3}
    return initialise(MixWaveUNet(**{**sizes, **settings}).double())


def stream_in(model: MixWaveUNet, stems_KT: torch.Tensor, sizes, **settings) -> torch.Tensor:
    """Stream a song, cut into blocks of these sizes, in turn."""
    stream = NetworkStream(model, **settings)
    n_samples = stems_KT.shape[1]
    parts, start = [], 0
    for size in itertools.cycle(sizes):
        stop = min(start + size, n_samples)
        parts.append(stream.push(stems_KT[:, start:stop], last=stop == n_samples))
        start = stop
        if start == n_samples:
            return torch.cat(parts, dim=1)
    raise AssertionError


@pytest.mark.parametrize("downsampling", ["decimate", "strided", "filtered"])
@pytest.mark.parametrize("upsampling", ["linear", "learned", "nearest", "filtered"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("depth", [1, 3])
def test_every_layout_streamed_equals_the_whole_song(downsampling, upsampling, padding, depth):
    model = small(
        depth=depth, downsampling=downsampling, upsampling=upsampling, padding=padding,
        output_kernel=3, output_activation="tanh",
    )  # fmt: skip
    for n_samples, block in [(0, 8), (1, 8), (7, 64), (9, 1), (64, 16), (150, 7), (301, 64)]:
        stems_KT = torch.randn(3, n_samples, dtype=torch.double)
        whole_CT = render_whole(model, stems_KT)
        mix_CT = stream_in(model, stems_KT, [1, 13, 2, 40], block=block)
        assert mix_CT.shape == whole_CT.shape
        assert torch.allclose(mix_CT, whole_CT, rtol=0, atol=1e-13)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "sizes",
    [
        {"depth": 5, "channel_growth": 2},
        {"channel_growth": 7, "down_kernel": 9, "up_kernel": 3, "bottleneck_kernel": 1},
        {"up_kernel": 1, "down_kernel": 3, "bottleneck_kernel": 9, "downsampling": "strided"},
        {"output_kernel": 7, "bias": False, "negative_slope": 0.01, "upsampling": "learned"},
        {"head": "gains", "output_activation": "tanh"},
        {"head": "gains", "depth": 5, "upsampling": "filtered", "downsampling": "filtered"},
        {"head": "gains", "bias": False, "upsampling": "nearest"},
    ],
)
def test_every_size_streamed_equals_the_whole_song(sizes, padding):
    model = small(**sizes, padding=padding)
    for index in range(len(model.interpolation)):
        torch.nn.init.normal_(model.interpolation[index])
    if model.faders is not None:
        torch.nn.init.normal_(model.faders.weight)
    stems_KT = torch.randn(3, 333, dtype=torch.double)
    mix_CT = stream_in(model, stems_KT, [50, 1], block=24)
    assert torch.allclose(mix_CT, render_whole(model, stems_KT), rtol=0, atol=1e-13)


FULL_SIZE = [
    *itertools.product(["paper", "base"], [torch.float32], [1, 4_097], [4_096]),
    ("base", torch.float64, 4_097, 4_096),
]
FULL_SIZE_SLOW = [
    ("base", torch.float32, 100_000, 65_536),
    *itertools.product(["paper", "base"], [torch.float64], [1, 100, 4_095, 4_096], [4_096]),
    *itertools.product(["paper", "base"], [torch.float32], [100, 4_095, 4_096], [4_096]),
    ("paper", torch.float64, 4_097, 4_096),
    *itertools.product(["paper", "base"], TOLERANCE, [100_000], [1, 4_096, 50_021, 2**18]),
    *itertools.product(["paper", "base"], TOLERANCE, [1_000_003], [4_096, 10_007, 65_536, 2**18]),
]


@pytest.mark.parametrize(
    ("name", "dtype", "n_samples", "block"),
    [*FULL_SIZE, *(pytest.param(*case, marks=pytest.mark.slow) for case in FULL_SIZE_SLOW)],
)
def test_full_size_networks_streamed_equal_the_whole_song(name, dtype, n_samples, block, whole_songs):
    model, stems_KT, whole_CT = whole_songs(name, dtype, n_samples)
    if block == 1:  # single samples are pushed; pieces of one sample would take minutes
        mix_CT = stream_in(model, stems_KT, [1])
    else:
        mix_CT = stream_in(model, stems_KT, [block, block // 3 + 1], block=block)
    assert mix_CT.shape == whole_CT.shape == (model.n_outputs, n_samples)
    assert whole_CT.square().mean().sqrt() >= 0.05
    error = (mix_CT - whole_CT).abs().max() / max(1.0, float(whole_CT.abs().max()))
    assert error <= TOLERANCE[dtype]


@pytest.fixture(scope="module")
def whole_songs():
    """Full-size networks and what they make of a whole song; the last one is kept."""
    kept = {}

    def make(name, dtype, n_samples):
        if (name, dtype, n_samples) not in kept:
            kept.clear()
            torch.manual_seed(3)
            model = initialise(build_model(SETTINGS[name])).to(dtype)
            stems_KT = 0.5 * torch.randn(model.n_inputs, n_samples, dtype=dtype)
            kept[name, dtype, n_samples] = model, stems_KT, render_whole(model, stems_KT)
        return kept[name, dtype, n_samples]

    return make


@pytest.mark.parametrize("name", ["paper", "base"])
def test_the_deepest_layer_has_its_part_in_what_is_compared(name):
    model = initialise(build_model(SETTINGS[name]))
    stems_KT = 0.5 * torch.randn(model.n_inputs, 4_097)
    whole_CT = render_whole(model, stems_KT)
    torch.nn.init.zeros_(model.bottleneck.weight)
    change = (render_whole(model, stems_KT) - whole_CT).square().mean() / whole_CT.square().mean()
    assert 10 * torch.log10(change) > -40


def test_the_blocks_a_song_comes_in_change_no_bit():
    model = small(bias=False, downsampling="filtered", upsampling="filtered").float()
    stems_KT = torch.randn(3, 1000)
    mix_CT = stream_in(model, stems_KT, [1000], block=64)
    for sizes in [[1], [64], [63, 65], [7, 500]]:
        assert torch.equal(stream_in(model, stems_KT, sizes, block=64), mix_CT)


@pytest.mark.parametrize("downsampling", ["decimate", "filtered"])
def test_a_part_of_a_song_with_what_comes_before_equals_that_part_of_the_whole(downsampling):
    model = small(downsampling=downsampling)
    n_after = model.context + model.grid
    stems_KT = torch.randn(3, 900, dtype=torch.double)
    start = -(-model.context // model.grid) * model.grid + 4 * model.grid
    part_KT = stems_KT[:, start - model.context : start + 100 + n_after]
    part_CT = stream_in(model, part_KT, [50], block=32, starts_song=False)
    whole_CT = render_whole(model, stems_KT)
    assert torch.allclose(part_CT[:, :100], whole_CT[:, start : start + 100], rtol=0, atol=1e-13)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_silent_pieces_change_nothing_wherever_they_lie(padding):
    model = small(bias=False, padding=padding, downsampling="filtered", upsampling="filtered")
    for n_before, n_silent, n_after in [(0, 2000, 100), (300, 1500, 301), (63, 1111, 0), (200, 40, 200)]:
        stems_KT = torch.randn(3, n_before + n_silent + n_after, dtype=torch.double)
        stems_KT[:, n_before : n_before + n_silent] = 0
        whole_CT = render_whole(model, stems_KT)
        assert torch.allclose(stream_in(model, stems_KT, [33], block=16), whole_CT, rtol=0, atol=1e-13)


def test_silent_pieces_are_not_computed():
    model = small(bias=False, downsampling="filtered", upsampling="filtered")
    stream = NetworkStream(model, block=64)
    stream.push(torch.randn(3, 640, dtype=torch.double))
    stream.push(torch.zeros(3, 2 * (model.context + model.grid) + 128, dtype=torch.double))
    with torch.no_grad():
        model.bottleneck.weight.fill_(float("nan"))  # whatever is computed now shows it
    assert not stream.push(torch.zeros(3, 640, dtype=torch.double)).any()
    assert stream.push(torch.randn(3, 640, dtype=torch.double)).isnan().any()


def bytes_of_tensors() -> int:
    gc.collect()
    tensors = (thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor))
    return sum({tensor.data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}.values())


def test_memory_does_not_grow_with_the_song():
    model = small().float()
    stream = NetworkStream(model, block=256)
    sizes = []
    for n_blocks in [20, 200]:
        for _ in range(n_blocks):
            stream.push(torch.randn(3, 256))
        sizes.append(bytes_of_tensors())
    assert sizes[0] == sizes[1]


def test_nothing_can_be_pushed_after_the_end():
    stream = NetworkStream(small())
    stream.push(torch.zeros(3, 10, dtype=torch.double), last=True)
    with pytest.raises(ValueError, match="ended"):
        stream.push(torch.zeros(3, 10, dtype=torch.double))

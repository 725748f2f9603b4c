import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from mixcli.engine.stream import open_stream
from mixcli.engine.windows import WINDOW, WindowStream
from mixcli.models.checkpoint import build_model
from mixcli.models.mix_demucs import MixDemucs
from mixcli.models.network import render_whole
from mixcli.models.settings import DEMUCS


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(before)


def small(**settings) -> MixDemucs:
    sizes = {"n_inputs": 3, "depth": 3, "channels": 6}
    return MixDemucs(**{**sizes, **settings}).double().eval()


def test_the_size_is_that_of_the_arithmetic():
    def conv(n_in, n_out, n_taps):
        return n_in * n_out * n_taps + n_out

    widths = [32, 64, 128, 256, 512]
    by_hand = sum(conv(n, w, 8) + conv(w, 2 * w, 1) for n, w in zip([8, *widths[:-1]], widths, strict=True))
    # four gates; torch keeps two biases for each; two directions; the second layer hears both of the first
    by_hand += 2 * 4 * (512 * 512 + 512 * 512 + 2 * 512) + 2 * 4 * (1024 * 512 + 512 * 512 + 2 * 512)
    by_hand += 1024 * 512 + 512
    by_hand += sum(conv(w, 2 * w, 3) + conv(w, n, 8) for w, n in zip(widths, [2, *widths[:-1]], strict=True))
    assert sum(each.numel() for each in build_model(DEMUCS).parameters()) == by_hand == 16_613_698


def lstm_in_numpy(state: dict[str, np.ndarray], frames_TF: np.ndarray, n_layers: int) -> np.ndarray:
    """Hochreiter and Schmidhuber's memory with forget gates, forwards and backwards, layer by layer."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for layer in range(n_layers):
        directions = []
        for suffix, order in (("", 1), ("_reverse", -1)):
            w_in, w_state = (state[f"lstm.weight_{part}_l{layer}{suffix}"] for part in ("ih", "hh"))
            bias = sum(state[f"lstm.bias_{part}_l{layer}{suffix}"] for part in ("ih", "hh"))
            hidden, cell, out = np.zeros(w_state.shape[1]), np.zeros(w_state.shape[1]), []
            for frame in frames_TF[::order]:
                into, forget, new, show = np.split(w_in @ frame + w_state @ hidden + bias, 4)
                cell = sigmoid(forget) * cell + sigmoid(into) * np.tanh(new)
                hidden = sigmoid(show) * np.tanh(cell)
                out.append(hidden)
            directions.append(np.array(out)[::order])
        frames_TF = np.concatenate(directions, axis=1)
    return frames_TF


def in_plain_calls(network: MixDemucs, inputs_KT: torch.Tensor, n_layers: int) -> torch.Tensor:
    """The network from its description: functional calls, and the recurrent layer in numpy."""
    state = {name: each.detach() for name, each in network.state_dict().items()}
    features, skips = inputs_KT[None], []

    def gated(name, features, padding):
        both = functional.conv1d(features, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding)
        value, gate = both.chunk(2, dim=1)
        return value * torch.sigmoid(gate)

    for level in range(network.depth):
        weight, bias = state[f"down.{level}.weight"], state[f"down.{level}.bias"]
        features = functional.conv1d(features, weight, bias, stride=4).clamp(min=0)
        skips.append(gated(f"down_gate.{level}", features, 0))
        features = skips[-1]
    if n_layers:
        arrays = {name: each.numpy() for name, each in state.items()}
        frames_TF = lstm_in_numpy(arrays, features[0].T.numpy(), n_layers)
        frames_TF = frames_TF @ arrays["after_lstm.weight"].T + arrays["after_lstm.bias"]
        features = torch.from_numpy(frames_TF.T[None])
    for index in range(network.depth):
        features = gated(f"up_gate.{index}", features + skips.pop(), 1)
        weight, bias = state[f"up.{index}.weight"], state[f"up.{index}.bias"]
        features = functional.conv_transpose1d(features, weight, bias, stride=4)
        features = features.clamp(min=0) if index < network.depth - 1 else features
    if "direct.weight" in state:
        features = features + torch.einsum("ck,bkt->bct", state["direct.weight"][:, :, 0], inputs_KT[None])
    return features[0]


@pytest.mark.parametrize(("n_layers", "direct_path"), [(0, False), (1, True), (2, False)])
def test_the_network_is_that_of_its_description(n_layers, direct_path):
    network = small(lstm_layers=n_layers, direct_path=direct_path)
    if direct_path:
        torch.nn.init.normal_(network.direct.weight)
    inputs_KT = torch.randn(3, network.valid_input_length(700), dtype=torch.float64)
    with torch.inference_mode():
        mix_CT = network(inputs_KT[None])[0]
    assert mix_CT.shape == (2, inputs_KT.shape[1])
    expected_CT = in_plain_calls(network, inputs_KT, n_layers)
    assert (mix_CT - expected_CT).abs().max() <= 1e-12 * max(1, float(expected_CT.abs().max()))


@pytest.mark.parametrize("settings", [{}, {"depth": 1}, {"kernel": 5, "stride": 2}, {"kernel": 4}])
def test_lengths_are_the_smallest_that_every_layer_divides(settings):
    network = small(**settings)

    def fits(n_samples):
        for _ in range(network.depth):
            if n_samples < network.kernel or (n_samples - network.kernel) % network.stride:
                return False
            n_samples = (n_samples - network.kernel) // network.stride + 1
        return True

    for n_samples in [1, 2, 99, 100, 101, 340, 341]:
        by_search = next(n for n in range(n_samples, n_samples + 2000) if fits(n))
        assert network.valid_input_length(n_samples) == by_search
    with pytest.raises(ValueError, match="ask valid_input_length"):
        network(torch.zeros(1, 3, by_search + 1, dtype=torch.float64))


def test_weights_start_halfway_to_the_standard_deviation_asked_for():
    torch.manual_seed(5)
    plain = torch.nn.Conv1d(3, 6, 8, 4)  # the first layer made, from the same random numbers
    torch.manual_seed(5)
    network = MixDemucs(n_inputs=3, depth=3, channels=6, rescale=0.1)
    wanted = math.sqrt(float(plain.weight.detach().std()) * 0.1)
    assert float(network.down[0].weight.detach().std()) == pytest.approx(wanted, rel=1e-6)
    ratio = network.down[0].bias / plain.bias
    assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-5)


def test_only_a_direct_path_shows_inputs_to_the_output():
    assert small().output_layer_on_inputs() is None
    network = small(direct_path=True)
    inputs_BKT = torch.randn(1, 3, network.valid_input_length(100), dtype=torch.float64)
    before = network(inputs_BKT)
    assert torch.equal(before, network(inputs_BKT))
    with torch.no_grad():
        network.output_layer_on_inputs()[0, 1] = 0.5
    change_BCT = network(inputs_BKT) - before
    assert torch.allclose(change_BCT[:, 0], 0.5 * inputs_BKT[:, 1], atol=1e-14)
    assert not change_BCT[:, 1].any()


def stream_in(network, inputs_KT, size, **settings):
    stream = WindowStream(network, **settings)
    parts = [stream.push(inputs_KT[:, at : at + size]) for at in range(0, inputs_KT.shape[1], size)]
    return torch.cat([*parts, stream.push(inputs_KT[:, :0], last=True)], dim=1)


@pytest.mark.parametrize("n_samples", [0, 1, 767, 768, 1023, 1025, 1500, 4000, 5001])
def test_without_a_recurrent_layer_windows_equal_the_whole_song(n_samples):
    network = small(lstm_layers=0)
    inputs_KT = torch.randn(3, n_samples, dtype=torch.float64)
    mix_CT = stream_in(network, inputs_KT, 333, window=1024, overlap=256)
    assert mix_CT.shape == (2, n_samples)
    assert torch.allclose(mix_CT, render_whole(network, inputs_KT), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("forget", "tolerance_db"), [(0.0, -80.0), (3.0, -25.0)])
def test_the_seams_of_windows_stay_below_what_is_stated(forget, tolerance_db):
    """A random LSTM forgets within frames; a forget bias of 3 makes it remember for about twenty."""
    network = small()
    with torch.no_grad():
        for name, parameter in network.lstm.named_parameters():
            if name.startswith("bias_ih"):
                parameter[len(parameter) // 4 : len(parameter) // 2] += forget
    inputs_KT = torch.randn(3, 9000, dtype=torch.float64)
    whole_CT = render_whole(network, inputs_KT)
    mix_CT = stream_in(network, inputs_KT, 1000, window=2048, overlap=512)
    error = (mix_CT - whole_CT).square().mean() / whole_CT.square().mean()
    assert 0 < error <= 10 ** (tolerance_db / 10)


def test_the_blocks_a_song_comes_in_change_no_bit():
    network = small().float()
    inputs_KT = torch.randn(3, 5000)
    mix_CT = stream_in(network, inputs_KT, 5000, window=1024, overlap=256)
    for size in (1000, 77):
        assert torch.equal(stream_in(network, inputs_KT, size, window=1024, overlap=256), mix_CT)


def test_a_song_shorter_than_a_window_is_one_pass():
    network = small()
    inputs_KT = torch.randn(3, 3000, dtype=torch.float64)
    assert torch.equal(open_stream(network).push(inputs_KT, last=True), render_whole(network, inputs_KT))


@pytest.mark.parametrize("shape", [{"stride": 3}, {"stride": 7, "depth": 1}, {"stride": 6, "depth": 2}])
def test_networks_of_any_stride_have_windows(shape):
    """Longer than a window: without a recurrent layer it is the one pass over the song."""
    network = small(lstm_layers=0, channels=1, **shape)
    inputs_KT = torch.randn(3, WINDOW + 30_000, dtype=torch.float64)
    mix_CT = open_stream(network).push(inputs_KT, last=True)
    assert torch.allclose(mix_CT, render_whole(network, inputs_KT), rtol=0, atol=1e-12)


def test_memory_does_not_grow_with_the_song():
    network = small().float()
    stream = WindowStream(network, window=1024, overlap=256)
    for _ in range(20):
        stream.push(torch.randn(3, 1000))
        held = [each for each in vars(stream).values() if isinstance(each, torch.Tensor)]
        n_bytes = sum(each.untyped_storage().nbytes() for each in held)
        assert n_bytes < 4 * 3 * (1024 + 2 * network.reach + 2 * network.grid + 1000)


def test_windows_off_the_grid_and_pushing_after_the_end_are_refused():
    with pytest.raises(ValueError, match="every 64"):
        WindowStream(small(), window=1000, overlap=100)
    stream = WindowStream(small())
    stream.push(torch.zeros(3, 10, dtype=torch.float64), last=True)
    with pytest.raises(ValueError, match="ended"):
        stream.push(torch.zeros(3, 10, dtype=torch.float64))


@pytest.mark.parametrize("wrong", [{"kernel": 3}, {"depth": 0}, {"decoder_kernel": 2}])
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="kernel"):
        small(**wrong)

from pathlib import Path

import pytest
import torch
from toolkit_checkpoint import WIDTHS, plain_forward, random_state

from mixcli.engine.stream import NetworkStream
from mixcli.models.checkpoint import build_model
from mixcli.models.foreign import read_toolkit
from mixcli.models.network import render_whole
from mixcli.models.settings import TOOLKIT, TOOLKIT_INPUTS, ModelSettings
from mixcli.models.toolkit import ToolkitWaveUNet

SMALL = (5, 10, 15)  # channels of three levels


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(before)


def network_of(state, dtype=torch.float32, inputs=TOOLKIT_INPUTS):
    settings, weights = read_toolkit({"state_dict": state}, inputs, Path("x.ckpt"))
    network = build_model(settings)
    network.load_state_dict(weights)
    return network.to(dtype).eval()


def small_network(seed=0, dtype=torch.float64, n_inputs=3):
    inputs = ("drums.kick", "drums.snare", "drums.hihat")[:n_inputs]
    return network_of(random_state(n_inputs, SMALL, kernel=7, output_kernel=3, seed=seed), dtype, inputs)


def test_the_size_is_that_of_the_arithmetic():
    def conv(n_in, n_out, n_taps):
        return n_in * n_out * n_taps + n_out

    ins = [8, *WIDTHS[:-1]]
    by_hand = sum(conv(n, w, 13) + 2 * w + w + conv(w, w, 13) for n, w in zip(ins, WIDTHS, strict=True))
    by_hand += conv(288, 288, 1)
    outs = [*reversed(WIDTHS[:-1]), 24]
    by_hand += sum(conv(2 * w, n, 13) + 3 * n for w, n in zip(reversed(WIDTHS), outs, strict=True))
    by_hand += conv(24 + 8, 2, 5)
    assert sum(each.numel() for each in build_model(TOOLKIT).parameters()) == by_hand == 17_833_426
    with torch.device("meta"):
        names = [f"drums.tom:{number + 1}" for number in range(16)]
        sixteen = build_model(ModelSettings(layout="toolkit", inputs=names))
    assert sum(each.numel() for each in sixteen.parameters()) == 17_836_002


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [pytest.param(torch.float32, 1e-5, marks=pytest.mark.slow), (torch.float64, 1e-10)],
)
def test_the_full_network_is_that_of_its_description(dtype, tolerance):
    state = random_state()
    inputs_BKT = 0.1 * torch.randn(1, 8, 4096, dtype=dtype)
    network = network_of(state, dtype)
    # plain calls in float64: the 32-bit network may differ by its own rounding alone
    exact = {name: tensor.double() for name, tensor in state.items()}
    expected_BCT = plain_forward(exact, inputs_BKT.double())
    with torch.inference_mode():
        mix_BCT = network(inputs_BKT)
    assert 0.1 < expected_BCT.std() < 10
    assert (mix_BCT - expected_BCT).abs().max() <= tolerance * expected_BCT.abs().max()


def test_every_layer_has_its_part_in_what_is_compared():
    state = {name: tensor.double() for name, tensor in random_state(3, SMALL, kernel=7).items()}
    inputs_BKT = torch.randn(1, 3, 64, dtype=torch.float64)
    before = plain_forward(state, inputs_BKT)
    for name in state:
        if not name.endswith("num_batches_tracked"):
            changed = plain_forward(state | {name: state[name] * 1.1}, inputs_BKT)
            assert (changed - before).abs().max() > 1e-6, name


@pytest.mark.parametrize("n_samples", [0, 1, 7, 8, 9, 301])
@pytest.mark.parametrize("block", [1, 8, 50])
def test_streamed_it_equals_the_whole_song_padded_with_zeros_to_its_grid(n_samples, block):
    network = small_network()
    inputs_KT = torch.randn(3, n_samples, dtype=torch.float64)
    stream = NetworkStream(network, block=block)
    parts = [stream.push(inputs_KT[:, at : at + 13]) for at in range(0, n_samples, 13)]
    mix_CT = torch.cat([*parts, stream.push(inputs_KT[:, :0], last=True)], dim=1)
    assert mix_CT.shape == (2, n_samples)
    whole_CT = render_whole(network, inputs_KT)
    assert torch.allclose(mix_CT, whole_CT, rtol=0, atol=1e-13)
    state = {name: each.double() for name, each in random_state(3, SMALL, kernel=7, output_kernel=3).items()}
    if n_samples:
        padded_KT = torch.nn.functional.pad(inputs_KT, (0, -n_samples % 8))
        assert torch.allclose(whole_CT, plain_forward(state, padded_KT[None])[0, :, :n_samples], atol=1e-12)


@pytest.mark.slow
def test_the_full_network_streamed_in_32_bit_equals_the_whole_song():
    network = network_of(random_state())
    inputs_KT = 0.1 * torch.randn(8, 50_000)
    whole_CT = render_whole(network, inputs_KT)
    stream = NetworkStream(network, block=16_384)
    parts = [stream.push(inputs_KT[:, :30_001]), stream.push(inputs_KT[:, 30_001:], last=True)]
    error = (torch.cat(parts, dim=1) - whole_CT).abs().max()
    assert error <= 1e-5 * max(1, float(whole_CT.abs().max()))


def test_nothing_beyond_the_stated_reach_is_heard():
    network = small_network()
    inputs_BKT = torch.randn(1, 3, 512, dtype=torch.float64, requires_grad=True)
    mix_T = network(inputs_BKT)[0].sum(dim=0)
    for position in (200, 203, 208, 300, 303):
        (gradient_BKT,) = torch.autograd.grad(mix_T[position], inputs_BKT, retain_graph=True)
        heard = torch.nonzero(gradient_BKT[0].abs().sum(dim=0))[:, 0] - position
        assert network.reach - 3 * network.grid < -int(heard[0]) <= network.reach + network.grid
        assert int(heard[-1]) <= network.reach + network.grid


def test_raw_inputs_reach_the_output_by_the_weights_shown():
    network = small_network()
    inputs_BKT = torch.randn(1, 3, 64, dtype=torch.float64)
    with torch.no_grad():
        for parameter in network.output.parameters():
            parameter.zero_()
        network.output_layer_on_inputs().copy_(torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]))
        mix_CT = network(inputs_BKT)[0]
    kick_T, snare_T, hat_T = inputs_BKT[0]
    assert torch.allclose(mix_CT[0], kick_T + 2 * snare_T + 0.5 * hat_T, atol=1e-14)
    assert torch.allclose(mix_CT[1], 3 * hat_T - snare_T, atol=1e-14)


def test_a_network_in_training_is_not_streamed():
    with pytest.raises(ValueError, match="eval"):
        NetworkStream(small_network().train())


def test_training_moves_every_parameter_and_the_running_means():
    network = ToolkitWaveUNet(n_inputs=2, depth=2, channel_growth=4)
    network(torch.randn(3, 2, 64)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert int(network.down_norm[0].num_batches_tracked) == 1
    assert network.down_norm[0].running_mean.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"depth": 0}, {"up_kernel": 4}, {"down_kernel": 1}, {"output_kernel": 2}])
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="kernels are odd"):
        ToolkitWaveUNet(n_inputs=1, **wrong)
    with pytest.raises(ValueError, match="ask valid_input_length"):
        ToolkitWaveUNet(n_inputs=1, depth=2)(torch.zeros(1, 1, 6))

import numpy as np
import pytest
import torch
from torch.nn import functional

from mixcli.models.checkpoint import build_model
from mixcli.models.features_last import filter_features
from mixcli.models.mix_wave_u_net import MixWaveUNet, convolutions, half_band_taps
from mixcli.models.network import render_whole
from mixcli.models.settings import BASE, PAPER


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    yield
    torch.set_num_threads(before)


def small(**settings) -> MixWaveUNet:
    sizes = {"n_inputs": 3, "depth": 3, "channel_growth": 4, "down_kernel": 7, "bottleneck_kernel": 7}
    return MixWaveUNet(**{**sizes, **settings}).double()


def n_parameters(model: MixWaveUNet) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_papers_network_has_its_published_size_and_lengths():
    model = build_model(PAPER)
    assert n_parameters(model) == 6_183_450
    assert model.context == 16_375
    assert model.grid == 1024
    assert model.valid_input_length(88_200) == 121_843
    with torch.inference_mode():
        assert model(torch.zeros(1, 8, 121_843)).shape == (1, 2, 89_093)


def test_the_default_network_has_its_published_size():
    model = build_model(BASE)
    widths = [16 * (level + 1) for level in range(9)]
    by_hand = sum(15 * n_in * n_out for n_in, n_out in zip([18, *widths], widths, strict=False))
    by_hand += sum(5 * (widths[level] + widths[level + 1]) * widths[level] for level in range(8))
    by_hand += (18 + 16) * 16
    assert n_parameters(model) == by_hand
    assert round(by_hand / 1e6, 2) == 1.49
    assert model.n_outputs == 16


@pytest.mark.parametrize("downsampling", ["decimate", "strided", "filtered"])
@pytest.mark.parametrize("upsampling", ["linear", "learned", "nearest", "filtered"])
@pytest.mark.parametrize("bias", [True, False])
def test_the_size_of_every_option_is_that_of_the_arithmetic(downsampling, upsampling, bias):
    model = MixWaveUNet(
        n_inputs=5, n_outputs=3, depth=4, channel_growth=6, down_kernel=9, up_kernel=7, bottleneck_kernel=11,
        output_kernel=5, bias=bias, downsampling=downsampling, upsampling=upsampling,
    )  # fmt: skip
    widths = [6, 12, 18, 24]
    layers = [(5, 6, 9), (6, 12, 9), (12, 18, 9), (18, 24, 9), (24, 30, 11)]
    layers += [(54, 24, 7), (42, 18, 7), (30, 12, 7), (18, 6, 7), (11, 3, 5)]
    layers += [(width, width, 9) for width in widths] if downsampling == "strided" else []
    by_hand = sum(before * after * taps + bias * after for before, after, taps in layers)
    by_hand += 30 + 24 + 18 + 12 if upsampling == "learned" else 0  # a weight per channel that is doubled
    assert n_parameters(model) == by_hand


def test_raw_inputs_reach_the_output_by_the_weights_shown():
    for padding in ("valid", "same"):
        model = small(output_kernel=3, padding=padding)
        stems_BKT = torch.randn(1, 3, model.valid_input_length(40), dtype=torch.double)
        matrix_CK = torch.tensor([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], dtype=torch.double)
        with torch.no_grad():
            for parameter in model.output.parameters():
                parameter.zero_()
            model.output_layer_on_inputs().copy_(matrix_CK)
            mix_CT = model(stems_BKT)[0]
        heard_KT = stems_BKT[0, :, model.context : stems_BKT.shape[2] - model.context]
        assert torch.allclose(mix_CT, matrix_CK @ heard_KT, rtol=0, atol=1e-14)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("upsampling", ["linear", "filtered"])
def test_a_head_of_gains_adds_each_input_times_its_fader(padding, upsampling):
    """Against faders that are interpolated by numpy, from where the frames lie in the song."""
    sizes = {"n_inputs": 3, "depth": 2, "padding": padding, "upsampling": upsampling}
    plain, gains = small(**sizes), small(**sizes, head="gains")
    assert n_parameters(gains) - n_parameters(plain) == 2 * 3 * (3 * 4 + 1)  # three growths of features
    plain.load_state_dict({name: each for name, each in gains.state_dict().items() if "faders" not in name})
    torch.nn.init.normal_(gains.faders.weight)
    torch.nn.init.normal_(gains.faders.bias)
    stems_BKT = 100 * torch.randn(2, 3, gains.valid_input_length(37), dtype=torch.double)
    with torch.no_grad():
        mix_BCT, direct_BCT = gains(stems_BKT), plain(stems_BKT)
        deepest_BTF = deepest_features(gains, stems_BKT)
        level_BT1 = deepest_BTF.square().mean(dim=2, keepdim=True).sqrt()
        drawn_BTG = deepest_BTF / level_BT1 @ gains.faders.weight[:, :, 0].T + gains.faders.bias
    n_frames, n_out = drawn_BTG.shape[1], mix_BCT.shape[2]
    # The middle of the frames is the middle of the output; where layers pad, the first of both is the same.
    frames_J = 4.0 * np.arange(n_frames)
    first = 0.0 if padding == "same" else (frames_J[-1] - (n_out - 1)) / 2
    within_BKT = stems_BKT[:, :, gains.context : gains.context + n_out].numpy()
    for song in (0, 1):
        for side in (0, 1):
            expected_T = direct_BCT[song, side].numpy().copy()
            for stem in range(3):
                gain_J = drawn_BTG[song, :, 3 * side + stem].numpy()
                expected_T += within_BKT[song, stem] * np.interp(first + np.arange(n_out), frames_J, gain_J)
            assert np.abs(mix_BCT[song, side].numpy() - expected_T).max() < 1e-6 * np.abs(expected_T).max()


def deepest_features(model: MixWaveUNet, stems_BKT: torch.Tensor) -> torch.Tensor:
    """The features of the bottleneck, [B, T, F], by plain calls."""
    features_BFT = stems_BKT
    for conv in model.down:
        features_BFT = torch.nn.functional.leaky_relu(conv(features_BFT), 0.2)[:, :, ::2]
    return torch.nn.functional.leaky_relu(model.bottleneck(features_BFT), 0.2).transpose(1, 2)


def test_a_head_of_gains_begins_with_all_faders_down():
    gains, plain = small(n_inputs=3, depth=2, head="gains"), small(n_inputs=3, depth=2)
    plain.load_state_dict({name: each for name, each in gains.state_dict().items() if "faders" not in name})
    stems_BKT = torch.randn(1, 3, gains.valid_input_length(9), dtype=torch.double)
    assert torch.equal(gains(stems_BKT), plain(stems_BKT))
    assert gains.output_layer_on_inputs().shape == (2, 3)


def correlate(features_FT: np.ndarray, weights_GFJ: np.ndarray, biases_G: np.ndarray) -> np.ndarray:
    """A convolution layer, one feature at a time."""
    return np.array(
        [
            bias
            + sum(np.correlate(row, taps, "valid") for row, taps in zip(features_FT, filters, strict=True))
            for filters, bias in zip(weights_GFJ, biases_G, strict=True)
        ]
    )


def rectify(features_FT: np.ndarray) -> np.ndarray:
    return np.where(features_FT > 0, features_FT, 0.2 * features_FT)


def crop(features_FT: np.ndarray, n_frames: int) -> np.ndarray:
    start = (features_FT.shape[1] - n_frames) // 2
    return features_FT[:, start : start + n_frames]


def paper_in_numpy(model: MixWaveUNet, stems_KT: np.ndarray) -> np.ndarray:
    """The network of the paper, written from its description without torch."""

    def layer(conv: torch.nn.Conv1d, features_FT: np.ndarray) -> np.ndarray:
        return correlate(features_FT, conv.weight.detach().numpy(), conv.bias.detach().numpy())

    features_FT, skips = stems_KT, []
    for conv in convolutions(model.down):
        features_FT = rectify(layer(conv, features_FT))
        skips.append(features_FT)
        features_FT = features_FT[:, ::2]
    features_FT = rectify(layer(model.bottleneck, features_FT))
    for conv in convolutions(model.up):
        n_frames = features_FT.shape[1]
        at = np.linspace(0, n_frames - 1, 2 * n_frames - 1)
        features_FT = np.array([np.interp(at, np.arange(n_frames), row) for row in features_FT])
        joined_FT = np.concatenate([crop(skips.pop(), features_FT.shape[1]), features_FT])
        features_FT = rectify(layer(conv, joined_FT))
    return layer(model.output, np.concatenate([crop(stems_KT, features_FT.shape[1]), features_FT]))


@pytest.mark.parametrize(("depth", "growth"), [(1, 4), (3, 4), (10, 2)])
def test_the_papers_arithmetic_is_that_of_its_description(depth, growth, rng):
    model = MixWaveUNet(n_inputs=8, depth=depth, channel_growth=growth).double()
    with torch.no_grad():
        for conv in convolutions(torch.nn.ModuleList(model.modules())):
            conv.bias.normal_(0, 0.1)
    stems_KT = rng.standard_normal((8, model.valid_input_length(100)))
    expected_CT = paper_in_numpy(model, stems_KT)
    with torch.inference_mode():
        mix_CT = model(torch.from_numpy(stems_KT)[None])[0].numpy()
    assert mix_CT.shape == expected_CT.shape
    assert np.abs(mix_CT - expected_CT).max() <= 1e-12 * max(1, np.abs(expected_CT).max())


@pytest.mark.slow
def test_the_papers_network_at_full_size_is_that_of_its_description(rng):
    model = build_model(PAPER).double()
    stems_KT = rng.standard_normal((8, model.valid_input_length(1)))
    expected_CT = paper_in_numpy(model, stems_KT)
    with torch.inference_mode():
        mix_CT = model(torch.from_numpy(stems_KT)[None])[0].numpy()
    assert np.abs(mix_CT - expected_CT).max() <= 1e-12 * max(1, np.abs(expected_CT).max())


def test_a_whole_song_is_one_pass_over_the_song_between_zeros(rng):
    model = MixWaveUNet(n_inputs=2, depth=2, channel_growth=3).double()
    stems_KT = rng.standard_normal((2, 77))
    n_after = model.valid_input_length(77) - model.context - 77
    padded_KT = np.pad(stems_KT, ((0, 0), (model.context, n_after)))
    mix_CT = render_whole(model, torch.from_numpy(stems_KT))
    assert np.allclose(mix_CT.numpy(), paper_in_numpy(model, padded_KT)[:, :77], rtol=0, atol=1e-13)


@pytest.mark.parametrize("settings", [PAPER, BASE], ids=["paper", "base"])
def test_context_is_what_reaches_an_output(settings):
    # Small in width alone: what reaches how far depends on depth and kernels.
    network = settings.network
    model = MixWaveUNet(
        n_inputs=1, n_outputs=1, channel_growth=1, depth=network.depth, downsampling=network.downsampling,
        upsampling=network.upsampling, bias=False, negative_slope=1.0,
    ).double()  # fmt: skip
    context, grid = model.context, model.grid
    n_in = model.valid_input_length(3 * grid)
    stems_BKT = torch.randn(1, 1, n_in, dtype=torch.double, requires_grad=True)
    mix_T = model(stems_BKT)[0, 0]

    def reached(position: int) -> tuple[int, int]:
        """The first and the last input sample that an output sample hears, relative to it."""
        (gradient_BKT,) = torch.autograd.grad(mix_T[position], stems_BKT, retain_graph=True)
        heard = torch.nonzero(gradient_BKT[0, 0])[:, 0] - context - position
        return int(heard[0]), int(heard[-1])

    assert reached(grid)[0] == -context  # on the grid
    assert reached(len(mix_T) - 1)[1] == context  # the last of a valid piece
    for position in [grid + 1, grid + 5, grid + 6, grid + grid // 2, 2 * grid - 1]:
        first, last = reached(position)
        assert -context - grid < first < 0 < last < context + grid


@pytest.mark.parametrize("downsampling", ["decimate", "strided", "filtered"])
@pytest.mark.parametrize("upsampling", ["linear", "learned", "nearest", "filtered"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_every_layout_gives_the_lengths_it_promises_and_trains(downsampling, upsampling, padding):
    model = small(downsampling=downsampling, upsampling=upsampling, padding=padding, output_activation="tanh")
    for n_samples in [1, 8, 9, 200]:
        n_in = model.valid_input_length(n_samples)
        mix_BCT = model(torch.randn(2, 3, n_in, dtype=torch.double))
        lost = 0 if padding == "same" else 2 * model.context
        assert mix_BCT.shape == (2, 2, n_in - lost)
        assert mix_BCT.shape[2] >= n_samples
    mix_BCT.square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_a_length_off_the_grid_is_refused():
    model = small()
    with pytest.raises(ValueError, match="valid_input_length"):
        model(torch.zeros(1, 3, model.valid_input_length(10) + 1, dtype=torch.double))


def test_gradients_are_those_of_finite_differences():
    model = small(n_inputs=1, depth=2, channel_growth=2, downsampling="filtered", upsampling="filtered")
    stems_BKT = torch.randn(1, 1, model.valid_input_length(1), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(model, stems_BKT)


def test_the_default_network_is_homogeneous_and_silent_in_silence():
    model = build_model(BASE)
    torch.nn.init.kaiming_normal_(model.output.weight)
    stems_KT = torch.randn(18, 3000)
    mix_CT = render_whole(model, stems_KT)
    assert mix_CT.square().mean().sqrt() > 0.05
    assert torch.equal(render_whole(model, 4 * stems_KT), 4 * mix_CT)  # a power of two: no rounding
    assert not render_whole(model, torch.zeros(18, 3000)).any()


def test_a_residual_network_starts_at_zero_and_learns_from_there():
    model = build_model(BASE)
    stems_BKT = torch.randn(1, 18, model.valid_input_length(1))
    residual_BCT = model(stems_BKT)
    assert not residual_BCT.any()
    (residual_BCT - 1).square().sum().backward()
    assert model.output.weight.grad.abs().sum() > 0


def shift_error_db(downsampling: str, upsampling: str) -> float:
    """How much a shift by one sample changes more than the shift, for noise below a quarter of the rate."""
    model = small(
        n_inputs=2, channel_growth=8, down_kernel=15, bottleneck_kernel=15, bias=False,
        downsampling=downsampling, upsampling=upsampling,
    )  # fmt: skip
    n_samples = 4096
    spectrum = torch.fft.rfft(torch.randn(2, n_samples, dtype=torch.double))
    spectrum[:, n_samples // 4 :] = 0
    stems_KT = torch.fft.irfft(spectrum, n_samples)
    mix_CT = render_whole(model, stems_KT)
    shifted_CT = render_whole(model, functional.pad(stems_KT, (1, 0)))[:, 1:]
    middle = slice(1000, 3000)
    error = (shifted_CT - mix_CT)[:, middle].square().mean() / mix_CT[:, middle].square().mean()
    return float(10 * torch.log10(error))


def test_half_band_filters_make_the_network_depend_less_on_the_grid():
    decimated_db = np.mean([shift_error_db("decimate", "linear") for _ in range(4)])
    filtered_db = np.mean([shift_error_db("filtered", "filtered") for _ in range(4)])
    assert filtered_db <= decimated_db - 5  # about -7 and -16 dB


def test_the_half_band_filter_passes_below_and_stops_above_a_quarter_of_the_rate():
    taps_J = half_band_taps().double().numpy()
    kernel = np.zeros(2 * len(taps_J) - 1)
    kernel[::2] = taps_J / 2
    kernel[len(taps_J) - 1] = 0.5
    response_db = 20 * np.log10(np.abs(np.fft.rfft(kernel, 4096)) + 1e-12)
    frequency = np.linspace(0, 0.5, len(response_db))
    assert np.abs(response_db[frequency <= 0.18]).max() < 0.06
    assert response_db[frequency >= 0.32].max() < -43
    assert abs(response_db[0]) < 1e-5


@pytest.mark.parametrize(
    "wrong",
    [
        {"up_kernel": 4},
        {"depth": 0},
        {"downsampling": "strided", "down_kernel": 1},
        {"head": "gains", "output_kernel": 3},
    ],
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(ValueError, match="kernel"):
        small(**wrong)


def test_a_halving_in_16_bits_goes_back_through_its_taps(rng):
    """dy[n]/dx[2n + j] = h[j]: the gradient of Σ g·y is g with zeros between, convolved with h."""
    taps_J = rng.standard_normal(23)
    features_BTF = torch.from_numpy(rng.standard_normal((1, 101, 2))).to(torch.bfloat16).requires_grad_()
    halved_BTF = filter_features(features_BTF, torch.from_numpy(taps_J), stride=2)
    assert halved_BTF.dtype == torch.bfloat16
    weights_TF = torch.from_numpy(rng.standard_normal((40, 2))).to(torch.bfloat16)
    torch.autograd.backward((halved_BTF[0] * weights_TF).sum())
    for feature in range(2):
        spread_T = np.zeros(79)
        spread_T[::2] = weights_TF[:, feature].float().numpy()
        expected_T = np.convolve(spread_T, taps_J)
        found_T = features_BTF.grad[0, :, feature].float().numpy()
        assert (
            np.abs(found_T - expected_T).max() < 2**-8 * np.abs(expected_T).max()
        )  # one rounding to 16 bits

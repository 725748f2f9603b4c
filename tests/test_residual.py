import itertools

import numpy as np
import pytest
import torch

from mixcli.console.render import ConsoleBlock
from mixcli.engine.bound import ResidualBound
from mixcli.engine.prepare import bus_inputs
from mixcli.engine.residual import ResidualRenderer, add_residual
from mixcli.models.checkpoint import TrainedModel, build_model
from mixcli.models.network import render_whole
from mixcli.models.settings import BASE, PAPER, MixWaveUNetSettings

RATE = 8_000
WINDOW = RATE // 20  # 50 ms


@pytest.fixture
def model():
    """A small network behind the console, loud enough to meet its bound."""
    torch.manual_seed(1)
    network = MixWaveUNetSettings(
        depth=2, channel_growth=4, down_kernel=5, bottleneck_kernel=5,
        downsampling="filtered", upsampling="filtered", bias=False,
    )  # fmt: skip
    settings = BASE.model_copy(update={"network": network, "sample_rate": RATE})
    module = build_model(settings)
    torch.nn.init.kaiming_normal_(module.output.weight)
    return TrainedModel(settings, module, "", "tiny")


@pytest.fixture
def buses_KTC(rng):  # noqa: N802 (a fixture is named as the value it gives)
    """Eight buses of noise that comes and goes, with digital silence between."""
    n_samples = 6_000
    buses_KTC = rng.standard_normal((8, n_samples, 2)).astype(np.float32)
    for bus in range(8):
        buses_KTC[bus] *= 0.1 * 2.0 ** -rng.integers(0, 6, 6).repeat(1_000)[:, None]
        buses_KTC[bus, 500 * bus + 300 : 500 * bus + 1_900] = 0
    return buses_KTC


def render(model, buses_KTC, sizes=(6_000,), sample_rate=RATE, bus_amounts=(1.0,) * 8, amount=1.0):
    renderer = ResidualRenderer(model, sample_rate, bus_amounts, amount)
    mix_TC = buses_KTC.sum(axis=0)
    parts, start = [], 0
    while start < buses_KTC.shape[1]:
        stop = start + sizes[len(parts) % len(sizes)]
        last = stop >= buses_KTC.shape[1]
        parts.append(renderer.push(buses_KTC[:, start:stop], mix_TC[start:stop], last=last))
        start = stop
    return np.concatenate(parts, axis=1)


def window_energies(block_KTC, step):
    """Energies of all windows of 50 ms that start at multiples of `step`, by running sums."""
    running_KT = np.cumsum(np.square(block_KTC.astype(np.float64)).sum(axis=2), axis=1)
    running_KT = np.pad(running_KT, ((0, 0), (1, 0)))
    return (running_KT[:, WINDOW:] - running_KT[:, :-WINDOW])[:, ::step]


def test_the_residual_stays_6_db_below_its_bus_in_every_50_ms(model, buses_KTC):
    residual_KTC = render(model, buses_KTC)
    unbounded_CT = render_whole(
        model.module, torch.from_numpy(bus_inputs(buses_KTC, buses_KTC.sum(axis=0)).T.copy())
    )
    unbounded_KTC = unbounded_CT.numpy().reshape(8, 2, -1).transpose(0, 2, 1)
    beta2 = 10**-0.6
    hop = RATE // 400
    bus_KM = window_energies(buses_KTC, hop)
    assert (window_energies(unbounded_KTC, hop) > 1.5 * beta2 * bus_KM).mean() > 0.5  # it had to be held back
    assert (window_energies(residual_KTC, hop) <= beta2 * bus_KM * (1 + 1e-5) + 1e-12).all()
    # Windows between the hops see a hop's edge more at either end.
    all_KT, bus_KT = window_energies(residual_KTC, 1), window_energies(buses_KTC, 1)
    sounding = bus_KT > 0.05 * bus_KT.max()
    assert (all_KT[sounding] <= 1.1 * beta2 * bus_KT[sounding]).all()
    # And it is not held back more than the worst window over a sample asks for.
    assert all_KT.sum() > 0.3 * beta2 * bus_KT.sum()


def test_a_residual_within_its_bound_is_left_as_it_is(rng):
    buses_KTC = rng.standard_normal((8, 2_000, 2)).astype(np.float32)
    residual_KTC = (0.3 * buses_KTC).astype(np.float32)  # -10.5 dB
    bound = ResidualBound(RATE, 8)
    assert np.array_equal(bound.push(buses_KTC, residual_KTC, last=True), residual_KTC)


def test_a_steady_residual_above_its_bound_is_scaled_to_it(rng):
    buses_KTC = np.ones((1, 4_000, 2), np.float32)
    residual_KTC = np.full((1, 4_000, 2), 2.0, np.float32)
    bounded_KTC = ResidualBound(RATE, 1).push(buses_KTC, residual_KTC, last=True)
    assert np.allclose(bounded_KTC, 10 ** (-6 / 20), rtol=1e-6)


def test_where_the_bus_is_silent_for_50_ms_the_residual_is_exactly_zero(model, buses_KTC):
    residual_KTC = render(model, buses_KTC)
    for bus in range(8):
        start, stop = 500 * bus + 300, 500 * bus + 1_900
        assert not buses_KTC[bus, start:stop].any()
        hop = RATE // 400
        inner = slice(-(-start // hop) * hop, min(stop, 6_000) // hop * hop)
        assert not residual_KTC[bus, inner].any()
        assert residual_KTC[bus, :start].any()


def test_a_silent_song_stays_silent(model):
    assert not render(model, np.zeros((8, 3_000, 2), np.float32)).any()


def test_amounts_scale_the_bounded_residual(model, buses_KTC):
    amounts = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 0]
    whole_KTC = render(model, buses_KTC)
    scaled_KTC = render(model, buses_KTC, bus_amounts=amounts, amount=0.5)
    expected_KTC = whole_KTC * (0.5 * np.array(amounts, np.float32))[:, None, None]
    assert np.allclose(scaled_KTC, expected_KTC, rtol=1e-6, atol=0)
    assert not scaled_KTC[[0, 7]].any()


def test_amount_zero_is_exactly_zero(model, buses_KTC):
    residual_KTC = render(model, buses_KTC, sizes=(1_000,), amount=0.0)
    assert residual_KTC.shape == buses_KTC.shape
    assert not residual_KTC.any()


@pytest.mark.parametrize("sample_rate", [RATE, 11_025, 6_000])
def test_the_blocks_a_song_comes_in_change_no_bit(model, buses_KTC, sample_rate):
    whole_KTC = render(model, buses_KTC, sample_rate=sample_rate)
    assert whole_KTC.shape == buses_KTC.shape
    for sizes in [(4_096,), (1, 700, 33), (999,)]:
        assert np.array_equal(render(model, buses_KTC, sizes, sample_rate), whole_KTC)


def test_the_residual_is_in_step_with_the_song_at_another_rate(model):
    """The network is made to pass the buses on at -12 dB, so its residual must be the buses."""
    with torch.no_grad():
        model.module.output.weight.zero_()
        for channel in range(16):
            model.module.output.weight[channel, channel] = 0.25
    time_s = np.arange(6_000) / 11_025
    tone_T = np.sin(2 * np.pi * 500 * time_s) * np.sin(np.pi * time_s / time_s[-1])
    buses_KTC = np.repeat(tone_T[None, :, None], 8, axis=0).repeat(2, axis=2).astype(np.float32)
    residual_KTC = render(model, buses_KTC, sample_rate=11_025)
    assert np.abs(residual_KTC - 0.25 * buses_KTC).max() < 1e-3


@pytest.mark.parametrize("n_samples", [0, 1, 19, 20, 21])
def test_the_shortest_songs_keep_their_length(model, n_samples, rng):
    buses_KTC = rng.standard_normal((8, n_samples, 2)).astype(np.float32)
    renderer = ResidualRenderer(model, 11_025, (1.0,) * 8, 1.0)
    assert renderer.push(buses_KTC, buses_KTC.sum(axis=0), last=True).shape == buses_KTC.shape


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_every_block_of_the_console_comes_with_its_residual(model, buses_KTC, amount):
    edges = [0, 1, 1_000, 1_500, 4_000, 6_000]
    returns_TC = 0.1 * buses_KTC[0]
    blocks = [
        ConsoleBlock(start, buses_KTC[:, start:stop], returns_TC[start:stop])
        for start, stop in itertools.pairwise(edges)
    ]
    pairs = list(add_residual(blocks, model, RATE, bus_amounts=(1.0,) * 8, amount=amount))
    assert all(given is taken for (given, _), taken in zip(pairs, blocks, strict=True))
    renderer = ResidualRenderer(model, RATE, (1.0,) * 8, amount)
    mix_TC = buses_KTC.sum(axis=0, dtype=np.float32) + returns_TC
    whole_KTC = renderer.push(buses_KTC, mix_TC, last=True)
    assert np.array_equal(np.concatenate([residual_KTC for _, residual_KTC in pairs], axis=1), whole_KTC)
    assert all(residual_KTC.shape == block.buses_KTC.shape for block, residual_KTC in pairs)


def test_a_model_without_residuals_is_refused():
    with pytest.raises(ValueError, match="residual"):
        ResidualRenderer(TrainedModel(PAPER, build_model(PAPER), "", "drums"), RATE, (1.0,) * 8, 1.0)

"""The linear start: the best fixed gains, by an independent solver, and that training begins at them."""

import numpy as np
import pytest
import torch
from made_up_training import (
    MATRIX_CK,
    QUICK,
    RATE,
    SMALL,
    SMALL_BASE,
    bus_song,
    drum_song,
    request_for,
    run_training,
)

from mixcli.models.checkpoint import build_model
from mixcli.models.network import render_whole
from mixcli.models.settings import MixDemucsSettings, ModelSettings, ToolkitSettings
from mixcli.training.linear_start import console_gain, fit_gains, set_linear_start, solve_ridge
from mixcli.training.prepared_song import PreparedSong

LAYOUTS = {
    "wave_u_net": SMALL,
    "tanh": SMALL.model_copy(
        update={"network": SMALL.network.model_copy(update={"output_activation": "tanh"})}
    ),
    "toolkit": ModelSettings(
        layout="toolkit",
        inputs=SMALL.inputs,
        sample_rate=RATE,
        network=ToolkitSettings(depth=2, channel_growth=4),
    ),
    "demucs": ModelSettings(
        layout="mix_demucs",
        inputs=SMALL.inputs,
        sample_rate=RATE,
        network=MixDemucsSettings(depth=2, channels=4, lstm_layers=1, direct_path=True),
    ),
}


def noisy_song(seed, seconds=1.0):
    """The target is a matrix of the inputs and something else."""
    song = drum_song(f"song {seed}", seconds=seconds, seed=seed)
    other_CT = 0.05 * np.random.default_rng(100 + seed).standard_normal(song.target_CT.shape)
    return PreparedSong(
        name=song.name,
        group=song.group,
        part="train",
        sample_rate=RATE,
        inputs_KT=song.inputs_KT,
        target_CT=song.target_CT + other_CT.astype(np.float32),
    )


def test_the_gains_are_those_of_least_squares_over_all_songs_at_once():
    songs = [noisy_song(seed, seconds=0.7 + 0.2 * seed) for seed in range(3)]
    inputs_KT = np.concatenate([song.inputs_KT for song in songs], axis=1).astype(np.float64)
    target_CT = np.concatenate([song.target_CT for song in songs], axis=1).astype(np.float64)
    solved_KC, *_ = np.linalg.lstsq(inputs_KT.T, target_CT.T, rcond=None)
    gains_CK = fit_gains(songs, SMALL, longest_s=3600, ridge=0)
    assert gains_CK == pytest.approx(solved_KC.T, abs=1e-9)
    assert gains_CK == pytest.approx(MATRIX_CK, abs=0.05)


def test_gains_of_masterings_are_matched_and_a_quiet_song_counts_as_much_as_a_loud_one():
    """Exact mixes at gains of their own: the same matrix, but for a common factor."""
    songs = []
    for seed, gain in enumerate([0.1, 1.0, 4.0]):
        song = drum_song(f"song {seed}", seconds=0.5, seed=seed)
        inputs_KT = song.inputs_KT * np.roll([0.3, 1, 2, 1], seed)[:, None].astype(np.float32)
        target_CT = (gain * MATRIX_CK @ inputs_KT).astype(np.float32)
        songs.append(
            PreparedSong(
                name=song.name,
                group=song.group,
                part="train",
                sample_rate=RATE,
                inputs_KT=inputs_KT,
                target_CT=target_CT,
            )
        )
    matched_CK = fit_gains(songs, SMALL, longest_s=3600, ridge=0, gain_match=True)
    # the masterings have a mean of -2.65 dB
    assert matched_CK == pytest.approx(0.4 ** (1 / 3) * MATRIX_CK, abs=1e-3)
    plain_CK = fit_gains(songs, SMALL, longest_s=3600, ridge=0)
    factor = (plain_CK * MATRIX_CK).sum() / np.square(MATRIX_CK).sum()
    assert np.abs(plain_CK / factor - MATRIX_CK).max() > 0.02


def test_ridge_is_tikhonov_on_inputs_of_equal_power():
    """Against ordinary least squares with the penalty as further equations."""
    generator = np.random.default_rng(0)
    inputs_KT = generator.standard_normal((3, 200)) * np.array([[1], [10], [0.01]])
    target_CT = generator.standard_normal((2, 200))
    ridge = 0.3
    penalty_KK = np.diag(np.sqrt(ridge) * np.linalg.norm(inputs_KT, axis=1))
    solved_KC, *_ = np.linalg.lstsq(
        np.concatenate([inputs_KT.T, penalty_KK]),
        np.concatenate([target_CT.T, np.zeros((3, 2))]),
        rcond=None,
    )
    gains_CK = solve_ridge(inputs_KT @ inputs_KT.T, target_CT @ inputs_KT.T, ridge)
    assert gains_CK == pytest.approx(solved_KC.T, rel=1e-9)


def test_a_silent_input_gets_no_gain_and_breaks_nothing():
    song = noisy_song(0)
    silent = PreparedSong(
        name="x",
        group="x",
        part="train",
        sample_rate=RATE,
        inputs_KT=song.inputs_KT * np.array([[1], [0], [1], [1]], np.float32),
        target_CT=song.target_CT,
    )
    gains_CK = fit_gains([silent], SMALL, longest_s=3600, ridge=0)
    assert np.array_equal(gains_CK[:, 1], [0, 0])
    assert np.isfinite(gains_CK).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_network_begins_as_the_matrix_of_gains(layout):
    model = LAYOUTS[layout]
    songs = [noisy_song(0), noisy_song(1)]
    network = build_model(model).eval()
    assert set_linear_start(network, songs, model, QUICK.model_copy(update={"ridge": 0.0}))
    inputs_KT = torch.from_numpy(0.01 * songs[0].inputs_KT[:, :4000])
    gains_CK = torch.from_numpy(fit_gains(songs, model, longest_s=3600, ridge=0)).float()
    expected_CT = gains_CK @ inputs_KT
    mix_CT = render_whole(network, inputs_KT)
    assert (mix_CT - expected_CT).abs().max() < 1e-5 * expected_CT.abs().max() + 1e-6


def test_a_network_without_such_a_layer_is_left_as_it_is_and_that_is_said(tmp_path):
    model = LAYOUTS["demucs"]
    plain = model.model_copy(update={"network": model.network.model_copy(update={"direct_path": False})})
    network = build_model(plain)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    assert not set_linear_start(network, [noisy_song(0)], plain, QUICK)
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    settings = QUICK.model_copy(update={"linear_start": True, "steps": 1})
    told = run_training(request_for(tmp_path / "run", model=plain, settings=settings), [noisy_song(0)])
    assert [notice.code for notice in told["began"].notices] == ["I411", "W412"]


def test_residuals_begin_as_the_gains_that_the_buses_lack():
    """The target is buses at known gains and another level: found, whatever the level of the mastering."""
    gains = (1.3, 0.8, 1, 1.2, 1, 0.7, 1, 1)
    for level in (0.5, 3.0):
        song = bus_song("A", gains=gains, level=level, seconds=2)
        residual_KK = fit_gains([song], SMALL_BASE, longest_s=3600, ridge=0)
        relative = np.asarray(gains) / (console_gain(song) / level) - 1
        assert residual_KK[:, :16] == pytest.approx(np.diag(np.repeat(relative, 2)), abs=1e-5)
        assert not residual_KK[:, 16:].any()


def test_training_begins_at_the_linear_start(tmp_path):
    """Where the target is a matrix of the inputs, the first loss is (nearly) nothing."""
    songs = [drum_song("A"), drum_song("B", seed=1)]
    first = {}
    for start in (True, False):
        settings = QUICK.model_copy(update={"linear_start": start, "steps": 1})
        told = run_training(request_for(tmp_path / str(start), settings=settings), songs)
        assert told["began"].linear_start == start
        first[start] = told["steps"][0].loss
    assert first[True] < 1e-4 * first[False]


def test_only_as_much_of_the_songs_is_read_as_is_wanted():
    """A song whose second half is another matrix: half of it is not all of it."""
    one, other = drum_song("A", seconds=30), drum_song("A", seconds=30, matrix_CK=-MATRIX_CK, seed=1)
    song = PreparedSong(
        name="x",
        group="x",
        part="train",
        sample_rate=RATE,
        inputs_KT=np.concatenate([one.inputs_KT, other.inputs_KT], axis=1),
        target_CT=np.concatenate([one.target_CT, other.target_CT], axis=1),
    )
    assert fit_gains([song], SMALL, longest_s=10, ridge=0) == pytest.approx(MATRIX_CK, abs=1e-4)
    assert np.abs(fit_gains([song], SMALL, longest_s=60, ridge=0)).max() < 0.1

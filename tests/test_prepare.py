import numpy as np
import pytest
import soundfile
import torch
from scipy import signal

from mixcli.audio.files import read_info
from mixcli.engine.direct import render_direct
from mixcli.engine.prepare import InputReader, bus_inputs, plan_inputs
from mixcli.errors import CheckpointError
from mixcli.models.checkpoint import TrainedModel, build_model
from mixcli.models.network import render_whole
from mixcli.models.settings import BUS_INPUTS, PAPER, MixWaveUNetSettings, ModelSettings
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Stem

RATE = 8_000
DRUMS = PAPER.model_copy(update={"sample_rate": RATE})


@pytest.fixture
def stem(tmp_path, rng):
    """Write a stem, of noise if nothing else; gives the Stem and its samples `[T, C]`."""

    def make(name, role, *, n_channels=1, n_samples=400, rate=RATE, samples_TC=None, **attributes):
        if samples_TC is None:
            samples_TC = rng.uniform(-0.5, 0.5, (n_samples, n_channels)).astype(np.float32)
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples_TC, rate, subtype="FLOAT")
        found = Stem(
            name=path.name, files=(read_info(path),), role=role, role_from="name", attributes=attributes
        )
        return found, samples_TC

    return make


def read_all(plan, n_samples):
    with InputReader(plan) as reader:
        return reader.read(n_samples)


def test_buses_lie_in_the_order_the_inputs_are_named(rng):
    buses_KTC = rng.standard_normal((8, 5, 2)).astype(np.float32)
    mix_TC = rng.standard_normal((5, 2)).astype(np.float32)
    inputs_TK = bus_inputs(buses_KTC, mix_TC)
    assert inputs_TK.shape == (5, len(BUS_INPUTS))
    for number, name in enumerate(BUS_INPUTS):
        *bus, side = name.split(":")
        channel = "LR".index(side)
        expected_T = mix_TC[:, channel] if bus == ["mix"] else buses_KTC[BUSES.index(bus[1]), :, channel]
        assert np.array_equal(inputs_TK[:, number], expected_T)


def test_a_drum_kit_lands_at_the_inputs_of_the_paper(stem):
    made = {
        "hat": stem("HiHat", "drums.hihat"),
        "kick": stem("Kick", "drums.kick"),
        "over": stem("OH", "drums.overhead", n_channels=2),
        "top": stem("SnareTop", "drums.snare"),
        "bottom": stem("SnareBottom", "drums.snare", n_samples=300),
        "tom10": stem("Tom 10", "drums.tom"),
        "tom2": stem("tom 2", "drums.tom", n_channels=2),
    }
    plan = plan_inputs([found for found, _ in made.values()], DRUMS, model_name="drums")
    samples = {name: samples_TC for name, (_, samples_TC) in made.items()}
    snare_T = samples["top"][:, 0] + np.pad(samples["bottom"][:, 0], (0, 100))
    expected_KT = [
        *(samples["hat"][:, 0], samples["kick"][:, 0], samples["over"][:, 0], samples["over"][:, 1]),
        *(snare_T, samples["tom2"].mean(axis=1), samples["tom10"][:, 0], np.zeros(400)),
    ]
    inputs_TK = read_all(plan, 400)
    assert inputs_TK.dtype == np.float32
    assert np.allclose(inputs_TK.T, expected_KT, rtol=0, atol=1e-7)


def test_more_toms_than_inputs_share_the_last(stem):
    toms = [stem(f"Tom {number}", "drums.tom") for number in (12, 3, 1, 2)]
    plan = plan_inputs([found for found, _ in toms], DRUMS)
    inputs_TK = read_all(plan, 400)
    by_number = {found.name: samples_TC[:, 0] for found, samples_TC in toms}
    assert np.array_equal(inputs_TK[:, 5], by_number["Tom 1.wav"])
    assert np.array_equal(inputs_TK[:, 6], by_number["Tom 2.wav"])
    assert np.allclose(inputs_TK[:, 7], by_number["Tom 3.wav"] + by_number["Tom 12.wav"], rtol=0, atol=1e-7)


def test_a_mono_overhead_goes_to_both_sides_and_one_of_a_side_to_its_own(stem):
    mono, mono_TC = stem("OH mono", "drums.overhead")
    left, left_TC = stem("OH L", "drums.overhead", side="L")
    assert np.array_equal(read_all(plan_inputs([mono], DRUMS), 400)[:, 2:4], np.repeat(mono_TC, 2, axis=1))
    inputs_TK = read_all(plan_inputs([left], DRUMS), 400)
    assert np.array_equal(inputs_TK[:, 2], left_TC[:, 0])
    assert not inputs_TK[:, 3].any()


def test_after_the_end_and_without_stems_there_is_silence(stem):
    kick, kick_TC = stem("Kick", "drums.kick", n_samples=10)
    with InputReader(plan_inputs([kick], DRUMS)) as reader:
        assert reader.n_samples == 10
        parts = [reader.read(n) for n in (4, 0, 10)]
    inputs_TK = np.concatenate(parts)
    assert np.array_equal(inputs_TK[:10, 1], kick_TC[:, 0])
    assert not inputs_TK[10:].any()
    assert not np.delete(inputs_TK, 1, axis=1).any()


def test_stems_of_another_rate_keep_their_pitch(stem, tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "Kick.wav", tone, 16_000, subtype="FLOAT")
    kick = Stem(
        name="Kick.wav", files=(read_info(tmp_path / "Kick.wav"),), role="drums.kick", role_from="name"
    )
    inputs_TK = read_all(plan_inputs([kick], DRUMS), 8_000)
    expected_T = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8_000) / 8_000)
    assert np.abs(inputs_TK[500:-500, 1] - expected_T[500:-500]).max() < 1e-4


def test_a_song_that_the_model_does_not_mix_is_refused(stem):
    stems = [
        stem(name, role)[0]
        for name, role in [
            ("A", "drums.kick"),
            ("B", "vox.lead"),
            ("C", "bass.electric"),
            ("D", "vox.backing"),
        ]
    ]
    with pytest.raises(CheckpointError) as refused:
        plan_inputs(stems, DRUMS, model_name="drums")
    assert refused.value.message == 'model "drums" mixes drums only (8 inputs); this song has vox, bass.'
    assert (refused.value.code, refused.value.hint) == ("E402", "--amount 0 for the console alone")
    with pytest.raises(CheckpointError, match=r'model "drums" has no input for drums\.room\.'):
        plan_inputs([stem("E", "drums.room")[0]], DRUMS, model_name="drums")


@pytest.mark.parametrize("rate", [RATE, 11_025])
def test_a_direct_mix_is_the_networks_mix_of_the_whole_song(stem, rate):
    settings = ModelSettings(
        inputs=("drums.kick", "drums.snare"),
        sample_rate=RATE,
        network=MixWaveUNetSettings(depth=2, channel_growth=4, down_kernel=5, bottleneck_kernel=5),
    )
    torch.manual_seed(1)
    model = TrainedModel(settings, build_model(settings), "", "tiny")
    stems = [stem("Kick", "drums.kick", n_samples=900)[0], stem("Snare", "drums.snare", n_samples=500)[0]]
    plan = plan_inputs(stems, settings)
    n_samples = -(-900 * rate // RATE)
    blocks = list(render_direct(plan, model, rate, start=0, n_samples=n_samples + 7))
    mix_TC = np.concatenate(blocks)
    assert mix_TC.shape == (n_samples + 7, 2)
    assert not mix_TC[n_samples:].any()
    if rate == RATE:
        whole_CT = render_whole(model.module, torch.from_numpy(read_all(plan, 900).T))
        wanted_CT = signal.sosfilt(signal.butter(1, 1.0, "highpass", fs=rate, output="sos"), whole_CT.numpy())
        assert np.abs(mix_TC[:900] - wanted_CT.T).max() <= 1e-5
    part_TC = np.concatenate(list(render_direct(plan, model, rate, start=333, n_samples=100)))
    assert np.array_equal(part_TC, mix_TC[333:433])


def test_the_offset_that_biases_make_is_not_in_the_mix(stem):
    settings = ModelSettings(
        inputs=("drums.kick",), sample_rate=RATE, network=MixWaveUNetSettings(depth=1, channel_growth=1)
    )
    network = build_model(settings)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.weight[:, 0] = 1.0  # the input as it is
        network.output.bias.fill_(0.25)
    model = TrainedModel(settings, network, "", "biased")
    silence_TC = np.zeros((5 * RATE, 1), np.float32)
    tone_TC = np.sin(2 * np.pi * 50 * np.arange(5 * RATE) / RATE)[:, None].astype(np.float32)
    for sound_TC, level in ((silence_TC, 0.0), (tone_TC, 0.5**0.5)):
        made = stem("Kick", "drums.kick", samples_TC=sound_TC)[0]
        plan = plan_inputs([made], settings)
        blocks = render_direct(plan, model, RATE, start=0, n_samples=len(sound_TC))
        last_s = np.concatenate(list(blocks))[-RATE:]
        assert np.abs(last_s.mean(axis=0)).max() < 1e-6
        assert np.sqrt(np.square(last_s).mean(axis=0)) == pytest.approx([level] * 2, rel=2e-3, abs=1e-6)

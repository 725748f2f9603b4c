"""What must not change a mix: order, gain, polarity and sides of the recordings, silence, halves, numbers."""

import numpy as np
import pyloudnorm
import pytest
import soundfile

from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.request import MixRequest

RATE = 16_000
ROLES = ("01_LeadVox", "02_BGV", "03_Kick", "04_Snare", "05_Bass", "06_ElecGtr", "07_Piano", "08_Pad")


def sounds(rng, seconds=4.0):
    """Eight stems that differ in spectrum and in time, each [T, 1] or [T, 2]."""
    from scipy.signal import butter, sosfilt

    time = np.arange(round(seconds * RATE)) / RATE
    stems = {}
    for number, name in enumerate(ROLES):
        centre = 120.0 * 1.6**number
        band = butter(2, [centre / 1.5, centre * 1.5], "bandpass", fs=RATE, output="sos")
        envelope = 0.3 + 0.7 * (np.sin(2 * np.pi * (0.5 + 0.3 * number) * time + number) > 0)
        stem_TC = 0.1 * rng.standard_normal((len(time), 2 if number >= 6 else 1)) * envelope[:, None]
        stem_TC = sosfilt(band, stem_TC, axis=0)
        stems[name] = 0.1 * stem_TC / np.sqrt(np.square(stem_TC).mean())
    return stems


@pytest.fixture
def mix(tmp_path):
    """Mix stems {name: [T, C]} in the order given, and give the mix, [T, 2]."""
    made = iter(range(1000))

    def run(stems, **rules):
        folder = tmp_path / str(next(made)) / "song"  # its name reaches no sample
        folder.mkdir(parents=True)
        for name, stem_TC in stems.items():
            soundfile.write(folder / f"{name}.wav", stem_TC.astype(np.float32), RATE, subtype="FLOAT")
        out = folder.parent / "mix.wav"
        settings = {"loudness_mode": "gain", "lufs": -23.0, "bit_depth": "32f"}
        mix_song(MixRequest(folder=folder, out=out, settings=settings, rules=rules))
        return soundfile.read(out, always_2d=True)[0]

    return run


def difference_db(first_TC, second_TC):
    """Energy of the difference of two mixes re the first, both at one loudness already."""
    return 10 * np.log10(np.square(first_TC - second_TC).sum() / np.square(first_TC).sum() + 1e-20)


@pytest.fixture
def stems(rng):
    return sounds(rng)


def test_the_order_of_the_files_changes_nothing(mix, stems):
    assert np.array_equal(mix(stems), mix(dict(reversed(stems.items()))))


@pytest.mark.parametrize(
    "name", ["01_LeadVox", *(pytest.param(name, marks=pytest.mark.slow) for name in ROLES[2::2])]
)
@pytest.mark.parametrize("gain_db", [-20, 20])
def test_the_gain_of_a_recording_changes_nothing(mix, stems, name, gain_db):
    """A common error of 0.1 dB in all that sounds is -38.7 dB of difference."""
    changed = stems | {name: stems[name] * 10 ** (gain_db / 20)}
    assert difference_db(mix(stems), mix(changed)) < -38.7


def test_a_song_that_is_upside_down_gives_the_same_mix_upside_down(mix, stems):
    assert difference_db(mix(stems), -mix({name: -stem_TC for name, stem_TC in stems.items()})) < -100


def test_stereo_stems_with_their_sides_exchanged_come_back_exchanged(mix, stems):
    """All but the reverb, a room of its own that hears the middle."""
    stereo = {
        name: stem_TC if stem_TC.shape[1] == 2 else stem_TC @ np.ones((1, 2))
        for name, stem_TC in stems.items()
    }
    wide = {name: stem_TC + 0.3 * np.roll(stem_TC, 40, axis=0) * [1, -1] for name, stem_TC in stereo.items()}
    mirrored = {name: stem_TC[:, ::-1] for name, stem_TC in wide.items()}
    assert difference_db(mix(wide, reverb_db=-60), mix(mirrored, reverb_db=-60)[:, ::-1]) < -60


def test_silence_and_a_silent_stem_change_nothing(mix, stems):
    first_TC = mix(stems)
    silent = np.zeros_like(stems["03_Kick"])
    assert difference_db(first_TC, mix(stems | {"09_Strings": silent})) < -100
    later = {
        name: np.concatenate([stem_TC, np.zeros((RATE, stem_TC.shape[1]))]) for name, stem_TC in stems.items()
    }
    found, wanted = thirds_db(mix(later)[: len(first_TC)]), thirds_db(first_TC)
    assert found == pytest.approx(wanted, abs=0.1)  # but for the reverb's tail, which the loudness counts


@pytest.mark.parametrize("how", ["alike", "one after the other"])
@pytest.mark.parametrize(
    "name", ["07_Piano", *(pytest.param(name, marks=pytest.mark.slow) for name in ("06_ElecGtr", "03_Kick"))]
)
def test_a_stem_in_two_halves_gives_the_mix_of_the_whole(mix, stems, rng, name, how):
    """Every third octave of the mix within 0.5 dB."""
    whole = stems[name]
    in_first_half = (np.arange(len(whole)) < len(whole) // 2)[:, None]
    first = 0.5 * whole if how == "alike" else whole * in_first_half
    halves = {key: value for key, value in stems.items() if key != name}
    halves |= {f"{name} A": first, f"{name} B": whole - first}
    for found, wanted in zip(thirds_db(mix(halves)), thirds_db(mix(stems)), strict=True):
        assert found == pytest.approx(wanted, abs=0.5)


def thirds_db(mix_TC):
    """Level of the mid in third octaves from 80 Hz to 6.3 kHz, of a mix brought to -23 LUFS."""
    lufs = pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(mix_TC)
    power = np.abs(np.fft.rfft(mix_TC.mean(axis=1) * 10 ** ((-23 - lufs) / 20))) ** 2
    hz = np.fft.rfftfreq(len(mix_TC), 1 / RATE)
    centres = 80 * 2 ** (np.arange(20) / 3)
    return [10 * np.log10(power[(hz >= c * 2 ** (-1 / 6)) & (hz < c * 2 ** (1 / 6))].sum()) for c in centres]


@pytest.mark.parametrize("n_stems", [2, 8, *(pytest.param(n, marks=pytest.mark.slow) for n in (40, 115))])
def test_songs_of_any_number_of_stems_come_out_at_the_loudness_asked(mix, rng, n_stems):
    names = [f"{ROLES[i % len(ROLES)][3:]} {i}" for i in range(n_stems)]
    mix_TC = mix({name: sounds(rng, 1.0)[ROLES[i % len(ROLES)]] for i, name in enumerate(names)})
    assert np.isfinite(mix_TC).all()
    lufs = pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(mix_TC)
    assert lufs == pytest.approx(-23, abs=0.1)


def test_nothing_is_lost_when_the_mix_is_folded_to_mono(mix, stems):
    """No third octave of (L + R) / 2 lies more than 6 dB under the power of both channels."""
    mix_TC = mix(stems)
    hz = np.fft.rfftfreq(len(mix_TC), 1 / RATE)
    both = np.square(np.abs(np.fft.rfft(mix_TC, axis=0))).mean(axis=1)
    fold = np.square(np.abs(np.fft.rfft(mix_TC.mean(axis=1))))
    for centre in 50 * 2 ** (np.arange(22) / 3):
        band = (hz >= centre * 2 ** (-1 / 6)) & (hz < centre * 2 ** (1 / 6))
        if both[band].sum() > 1e-6 * both.sum():
            assert 10 * np.log10(fold[band].sum() / both[band].sum()) > -6

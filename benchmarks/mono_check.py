"""What mixes lose when they are folded to mono: the worst third octave of each song.

Mixes every song folder with the defaults and compares, per third octave over the whole mix, the power of
(L + R) / 2 with that of both channels. Unrelated channels lose 3 dB; more than 6 dB is a fault of the mix, or
of a stem that was recorded so. Beside it stands the worst that the stems' plain sum loses in that band.

    python benchmarks/mono_check.py [SONG FOLDERS ...] [--made-up 10] [--seconds 30]
"""

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile

from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.request import MixRequest
from mixcli.songs.discovery import read_song
from mixcli.songs.stem_reader import StemReader

CENTRES_HZ = 50.0 * 2.0 ** (np.arange(26) / 3)  # to 16 kHz
SEGMENT = 16_384
HEARD_SHARE = 1e-6  # of the mix's power: bands with less are not judged
ALLOWED_DB = 6.0
RATE = 44_100
NAMES = ("LeadVox", "BGV L", "BGV R", "Kick", "Snare", "Overhead L", "Overhead R", "Bass", "ElecGtr 1",
         "ElecGtr 2", "Piano", "Pad", "Synth", "Shaker")  # fmt: skip


def made_up_song(folder: Path, seed: int, seconds: float) -> Path:
    """Stems of notes and noise in bands of their own; two or three in stereo, up to wholly unrelated."""
    from scipy.signal import butter, sosfilt

    rng = np.random.default_rng(seed)
    folder.mkdir()
    n_samples = round(seconds * RATE)
    times_T = np.arange(n_samples) / RATE
    for number, name in enumerate(NAMES):
        if number > 3 and rng.random() < 0.2:
            continue
        low = 60.0 * 1.45**number * rng.uniform(0.7, 1.4)
        band = butter(2, [low, min(4 * low, 0.4 * RATE)], "bandpass", fs=RATE, output="sos")
        n_channels = 2 if name in ("Piano", "Pad", "Synth") else 1
        common = rng.uniform(0.0, 1.0) if n_channels == 2 else 0.0
        noise = rng.standard_normal((n_samples, n_channels))
        noise += common * rng.standard_normal((n_samples, 1))
        beat_s = 60 / rng.uniform(80, 150)
        decay = np.exp(-(times_T % beat_s) / rng.uniform(0.03, 0.6))[:, None]
        tone = np.sin(2 * np.pi * 1.5 * low * times_T + rng.uniform(0, 6))[:, None]
        stem = (sosfilt(band, noise, axis=0) + rng.uniform(0, 0.5) * tone) * decay
        stem *= 10 ** (rng.uniform(-20, -3) / 20) / np.abs(stem).max()
        soundfile.write(folder / f"{number:02d}_{name}.wav", stem, RATE, subtype="PCM_24")
    return folder


class MonoLoss:
    """Sums up the power of both channels and of their fold, block by block."""

    def __init__(self) -> None:
        self._waiting_TC = np.zeros((0, 2))
        self._window_T = np.sin((np.arange(SEGMENT) + 0.5) * np.pi / SEGMENT)[:, None]
        self.powers_F2 = np.zeros((SEGMENT // 2 + 1, 2))

    def push(self, block_TC: np.ndarray) -> None:
        """Take the next samples, [T, 2]."""
        self._waiting_TC = np.concatenate([self._waiting_TC, block_TC])
        while len(self._waiting_TC) >= SEGMENT:
            spectrum_FC = np.fft.rfft(self._waiting_TC[:SEGMENT] * self._window_T, axis=0)
            self.powers_F2[:, 0] += np.square(np.abs(spectrum_FC)).mean(axis=1)
            self.powers_F2[:, 1] += np.square(np.abs(spectrum_FC.mean(axis=1)))
            self._waiting_TC = self._waiting_TC[SEGMENT // 2 :]

    def losses_db(self, rate: int) -> np.ndarray:
        """What each third octave loses; NaN where next to nothing sounds."""
        self.push(np.zeros((SEGMENT, 2)))
        hz = np.fft.rfftfreq(SEGMENT, 1 / rate)
        edges = np.searchsorted(hz, [CENTRES_HZ * 2 ** (-1 / 6), CENTRES_HZ * 2 ** (1 / 6)])
        bands = np.array([self.powers_F2[low:high].sum(axis=0) for low, high in edges.T])
        heard = bands[:, 0] > HEARD_SHARE * self.powers_F2[:, 0].sum()
        safe = np.where(heard[:, None], bands, 1.0)
        return np.where(heard, 10 * np.log10(safe[:, 0] / np.maximum(safe[:, 1], 1e-12 * safe[:, 0])), np.nan)


def mix_blocks(path: Path) -> Iterator[np.ndarray]:
    with soundfile.SoundFile(path) as file:
        yield from file.blocks(65_536, always_2d=True)


def sum_blocks(folder: Path, rate: int) -> Iterator[np.ndarray]:
    """The stems as they lie, added up in stereo."""
    readers = [StemReader(stem, rate) for stem in read_song(folder).stems]
    for _ in range(0, max(reader.n_samples for reader in readers), 65_536):
        yield sum(reader.read(65_536) * np.ones(2) for reader in readers)
    for reader in readers:
        reader.close()


def losses(blocks: Iterable[np.ndarray], rate: int) -> np.ndarray:
    meter = MonoLoss()
    for block_TC in blocks:
        meter.push(block_TC)
    return meter.losses_db(rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("songs", type=Path, nargs="*")
    parser.add_argument("--made-up", type=int, default=0, metavar="N")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    n_beyond = 0
    with tempfile.TemporaryDirectory() as work:
        made_up = (
            made_up_song(Path(work) / f"made-up-{seed}", seed, options.seconds)
            for seed in range(options.made_up)
        )
        for folder in (*options.songs, *made_up):
            out = Path(work) / "mix.wav"
            mix_song(MixRequest(folder=folder, out=out, if_exists="overwrite"))
            rate = soundfile.info(out).samplerate
            lost_B = losses(mix_blocks(out), rate)
            worst = int(np.nanargmax(lost_B))
            plain_db = losses(sum_blocks(folder, rate), rate)[worst]
            n_beyond += lost_B[worst] > ALLOWED_DB
            print(
                f"{folder.name:16} loses most at {CENTRES_HZ[worst]:7.0f} Hz: {lost_B[worst]:5.2f} dB "
                f"(sum of the stems there {plain_db:5.2f}); median {np.nanmedian(lost_B):5.2f} dB",
                flush=True,
            )
    print(f"{n_beyond} songs lose more than {ALLOWED_DB:g} dB in a third octave")


if __name__ == "__main__":
    main()

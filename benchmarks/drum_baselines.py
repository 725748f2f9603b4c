"""What a network has to beat on drum sessions: linear mixes of the microphones, fitted to the same songs.

    python benchmarks/drum_baselines.py --train SOURCE --test SOURCE [--test SOURCE …] --cache FOLDER
        [--mix dry --mix wet] [--taps 4096] [--most-train 40] [--most-test 20] [--model RUN …]

SOURCE is a text as `mixcli train` takes it ("synth:drums=FOLDER,kits=one,sessions=60"), without wet or dry,
which --mix puts behind it. Of the first, the songs of the part "train" are learned from; of the others, those
of the part "test" are scored, or all of a source with ",all" behind it (a kit never trained on). Fitted are

    sum          the plain sum of the microphones, nothing fitted
    static       one gain per microphone and channel, least squares over all training songs
    FIR          one filter of --taps taps per microphone and channel, likewise: what any linear mix can do
    per song     static, but fitted to the very song that is scored: no forecast, a bound for gains alone
    level …      static and FIR behind one gain per microphone and song, as `input_loud_dbfs` sets it
    console      mixcli's own rules, which know nothing of the engineer
    RUN          a trained model that mixes the microphones itself, streamed as mixing does, all of it
    RUN in mix   what `mixcli mix --model RUN` makes: the console as far as the session is unfamiliar, or the
                 console with the residuals of a model behind it

SI-SDR in dB, median and range over songs, and what each RUN gains over the linear mixes.
Letters: K microphones, C = 2 channels, T samples, N taps, F bins.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from scipy.fft import irfft, next_fast_len, rfft

from mixcli.engine.stream import BLOCK, open_stream
from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.request import MixRequest
from mixcli.models.checkpoint import load_model
from mixcli.models.settings import PAPER_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.training.prepare_dataset import DataOptions, prepare_dataset
from mixcli.training.prepared_song import PreparedSong

RIDGE = 1e-7  # of the mean energy of a microphone: silent ones get no gain
BLOCKS_AT_ONCE = 32
MOST_STEPS, DONE = 400, 1e-5
FILES = dict(
    zip(PAPER_INPUTS, ("HiHat", "Kick", "OH L", "OH R", "Snare", "Tom 1", "Tom 2", "Tom 3"), strict=True)
)


def si_sdr_db(found_CT, wanted_CT):
    found, wanted = found_CT.ravel().astype(np.float64), wanted_CT.ravel().astype(np.float64)
    scale = (found @ wanted) / max(found @ found, 1e-20)
    return 10 * np.log10(((scale * found) @ (scale * found)) / np.sum((wanted - scale * found) ** 2))


class Correlations:
    """r_ij[n] = sum over t of x_i[t] x_j[t + n], and the same of microphones and mix; n from 0 to N - 1.

    By blocks: N samples of x_i with zeros behind them against the 2 N of x_j from the same place on.
    """

    def __init__(self, n_inputs, n_taps):
        self.n_taps, self._n_inputs = n_taps, n_inputs
        self._spectra_FKJ = np.zeros((n_taps + 1, n_inputs, n_inputs + 2), np.complex128)

    def add(self, inputs_KT, target_CT):
        n_taps, n_samples = self.n_taps, inputs_KT.shape[1]
        n_blocks = -(-n_samples // n_taps)
        for first in range(0, n_blocks, BLOCKS_AT_ONCE):
            last = min(first + BLOCKS_AT_ONCE, n_blocks)
            heard_JT = np.concatenate([each[:, first * n_taps : (last + 1) * n_taps] for each in
                                       (inputs_KT, target_CT)]).astype(np.float64)  # fmt: skip
            heard_JT = np.pad(heard_JT, ((0, 0), (0, (last - first + 1) * n_taps - heard_JT.shape[1])))
            hops_JBT = heard_JT.reshape(len(heard_JT), -1, n_taps)
            both_JBF = rfft(np.concatenate([hops_JBT[:, :-1], hops_JBT[:, 1:]], axis=2), axis=2)
            own_KBF = rfft(hops_JBT[: self._n_inputs, :-1], 2 * n_taps, axis=2)
            self._spectra_FKJ += own_KBF.conj().transpose(2, 0, 1) @ both_JBF.transpose(2, 1, 0)

    def lags(self):
        """Of the microphones [K, K, N], and with the mix [K, C, N]."""
        lags_KJN = irfft(self._spectra_FKJ.transpose(1, 2, 0), 2 * self.n_taps, axis=2)[..., : self.n_taps]
        return lags_KJN[:, : self._n_inputs], lags_KJN[:, self._n_inputs :]


def static_gains(correlations):
    """Least squares, [K, C]."""
    own_KKN, mixed_KCN = correlations.lags()
    gram_KK = own_KKN[:, :, 0]
    ridge = RIDGE * np.trace(gram_KK) / len(gram_KK)
    return np.linalg.solve(gram_KK + ridge * np.eye(len(gram_KK)), mixed_KCN[:, :, 0])


def filters(correlations):
    """Least squares over all taps, [K, C, N]: block Toeplitz equations by conjugate gradients.

    The preconditioner is the circulant of the same correlations, a K by K matrix in every bin.
    """
    own_KKN, wanted_KCN = correlations.lags()
    n_inputs, n_taps = len(own_KKN), correlations.n_taps
    ridge = RIDGE * np.trace(own_KKN[:, :, 0]) / n_inputs
    n_fft = next_fast_len(2 * n_taps, real=True)
    # r_ij[n] for n from -(N - 1) on, where r_ij[-n] = r_ji[n]
    around_KKT = np.zeros((n_inputs, n_inputs, n_fft))
    around_KKT[:, :, :n_taps] = own_KKN
    around_KKT[:, :, n_fft - n_taps + 1 :] += own_KKN.transpose(1, 0, 2)[:, :, :0:-1]
    around_KKT[range(n_inputs), range(n_inputs), 0] += ridge
    spectra_FKK = rfft(around_KKT, axis=2).transpose(2, 0, 1)
    window = np.concatenate([1 - np.arange(n_taps) / n_taps, np.zeros(n_fft - n_taps)])  # keeps it definite
    window[n_fft - n_taps + 1 :] = window[n_taps - 1 : 0 : -1]
    circulant_FKK = rfft(around_KKT * window, axis=2).transpose(2, 0, 1)
    inverse_FKK = np.linalg.inv(circulant_FKK + ridge * np.eye(n_inputs))

    def through(matrix_FKK, taps_KCN):
        spectra_FKC = rfft(taps_KCN, n_fft, axis=2).transpose(2, 0, 1)
        return irfft((matrix_FKK @ spectra_FKC).transpose(1, 2, 0), n_fft, axis=2)[..., :n_taps]

    taps_KCN, left_KCN = np.zeros_like(wanted_KCN), wanted_KCN.copy()
    ahead_KCN = through(inverse_FKK, left_KCN)
    step_KCN, size = ahead_KCN.copy(), np.sum(left_KCN * ahead_KCN)
    n_steps = 0
    while n_steps < MOST_STEPS:
        n_steps += 1
        image_KCN = through(spectra_FKK, step_KCN)
        length = size / np.sum(step_KCN * image_KCN)
        taps_KCN += length * step_KCN
        left_KCN -= length * image_KCN
        if np.linalg.norm(left_KCN) < DONE * np.linalg.norm(wanted_KCN):
            break
        ahead_KCN = through(inverse_FKK, left_KCN)
        size, before = np.sum(left_KCN * ahead_KCN), size
        step_KCN = ahead_KCN + size / before * step_KCN
    rest = np.linalg.norm(left_KCN) / np.linalg.norm(wanted_KCN)
    print(f"  {n_taps} taps: {n_steps} steps, {rest:.1e} of the equations left")
    return taps_KCN


def filtered(inputs_KT, taps_KCN):
    n_fft = next_fast_len(inputs_KT.shape[1] + taps_KCN.shape[2], real=True)
    mix_CF = np.zeros((2, n_fft // 2 + 1), np.complex128)
    for input_T, taps_CN in zip(inputs_KT, taps_KCN, strict=True):
        mix_CF += rfft(input_T.astype(np.float64), n_fft) * rfft(taps_CN, n_fft, axis=1)
    return irfft(mix_CF, n_fft, axis=1)[:, : inputs_KT.shape[1]]


def streamed(model, inputs_KT):
    """The model's mix as mixing streams it; prepared inputs have the model's own input levels already."""
    stream, parts = open_stream(model.module), []
    for start in range(0, inputs_KT.shape[1], BLOCK):
        block_KT = torch.from_numpy(np.array(inputs_KT[:, start : start + BLOCK]))
        parts.append(stream.push(block_KT, last=start + BLOCK >= inputs_KT.shape[1]).numpy())
    return np.concatenate(parts, axis=1)


def mix_by_mixcli(song, folder, **settings):
    """What `mixcli mix` makes of the microphones, [C, T]; also how familiar they were to a model."""
    stems = folder / song.name.replace("/", "-")
    if not stems.is_dir():
        stems.mkdir(parents=True)
        for name, input_T in zip(PAPER_INPUTS, song.inputs_KT, strict=True):
            if input_T.any():
                soundfile.write(stems / f"{FILES[name]}.wav", input_T, song.sample_rate, subtype="FLOAT")
    settings |= {"loudness_mode": "measure", "bit_depth": "32f"}
    with tempfile.TemporaryDirectory() as out:
        made = mix_song(MixRequest(folder=stems, out=Path(out) / "mix.wav", settings=settings))
        mix_TC = soundfile.read(made.paths.audio, dtype="float32")[0]
    return mix_TC.T, made.plan.recipe.network.familiarity


def gain_in_words(found, linear):
    """Mean gain over a linear mix by songs, a bootstrap interval of 95 %, and on how many it is better."""
    gains = np.array(found) - np.array(linear)
    drawn = np.random.default_rng(0).choice(gains, (10_000, len(gains))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{gains.mean():+.1f} dB [{low:+.1f}..{high:+.1f}], better on {(gains > 0).sum()} of {len(gains)}"


def songs_of(source, settings, cache, parts, most):
    found = []
    for song in prepare_dataset([source], settings, DataOptions(), cache):
        if not isinstance(song, PreparedSong):
            print(f"  left out: {song.name}: {song.reason}")
        elif song.part in parts:
            found.append(song)
    return found[:most]


def split_source(source, mix):
    """A source with the mix behind it, and the parts of it that are scored."""
    every = source.endswith(",all")
    parts = ("train", "validation", "test") if every else ("test",)
    return f"{source.removesuffix(',all')},{mix}", parts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", action="append", required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--mix", action="append", choices=["dry", "wet"])
    parser.add_argument("--taps", type=int, default=4096)
    parser.add_argument("--most-train", type=int, default=40)
    parser.add_argument("--most-test", type=int, default=20)
    parser.add_argument("--model", action="append", default=[])
    given = parser.parse_args()
    torch.set_num_threads(1)
    paper = ModelSettings(
        layout="mix_wave_u_net", inputs=PAPER_INPUTS, outputs="mix", sample_rate=44_100,
        network=MixWaveUNetSettings(),
    )  # fmt: skip
    levelled = paper.model_copy(update={"input_loud_dbfs": -20.0})
    for mix in given.mix or ["dry", "wet"]:
        fitted = {}
        for prefix, settings in (("", paper), ("level ", levelled)):
            train = songs_of(f"{given.train},{mix}", settings, given.cache, ("train",), given.most_train)
            hours = sum(song.n_samples / song.sample_rate for song in train) / 3600
            print(f"{mix}: {len(train)} songs to learn from, {60 * hours:.1f} min")
            correlations = Correlations(len(PAPER_INPUTS), given.taps)
            for song in train:
                correlations.add(song.inputs_KT, song.target_CT)
            fitted[prefix] = settings, static_gains(correlations), filters(correlations)
        for text in given.test:
            source, parts = split_source(text, mix)
            scores = {}
            for prefix, (settings, gains_KC, taps_KCN) in fitted.items():
                songs = songs_of(source, settings, given.cache, parts, given.most_test)
                made = {"static": lambda x, g=gains_KC: g.T @ x, "FIR": lambda x, h=taps_KCN: filtered(x, h)}
                if not prefix:
                    made = {"sum": lambda x: x.sum(axis=0)[None].repeat(2, axis=0), **made}
                for name, mixed in made.items():
                    scores[prefix + name] = [
                        si_sdr_db(mixed(song.inputs_KT), song.target_CT) for song in songs
                    ]
            own = [Correlations(len(PAPER_INPUTS), 1) for _ in songs]
            for song, correlations in zip(songs, own, strict=True):
                correlations.add(song.inputs_KT, song.target_CT)
            scores["per song"] = [
                si_sdr_db(static_gains(each).T @ song.inputs_KT, song.target_CT)
                for song, each in zip(songs, own, strict=True)
            ]
            raw_songs = songs_of(source, paper, given.cache, parts, given.most_test)
            with tempfile.TemporaryDirectory() as folder:
                for name, settings in [
                    ("console", {"amount": 0.0}),
                    *((f"{run} in mix", {"model": run}) for run in given.model),
                ]:
                    made = [
                        (mix_by_mixcli(song, Path(folder), **settings), song.target_CT) for song in raw_songs
                    ]
                    scores[name] = [si_sdr_db(mix_CT, target_CT) for (mix_CT, _), target_CT in made]
                    known = [each for (_, each), _ in made if each is not None]
                    if known:
                        print(
                            f"  familiar to {name}: {np.mean(known):.2f} [{min(known):.2f}..{max(known):.2f}]"
                        )
            scored = []
            for run in given.model:
                model = load_model(run)
                if model.settings.outputs == "residual":
                    scored.append(f"{run} in mix")
                    continue
                scored.append(run)
                own_songs = songs_of(source, model.settings, given.cache, parts, given.most_test)
                scores[run] = [
                    si_sdr_db(streamed(model, song.inputs_KT), song.target_CT) for song in own_songs
                ]
            for name, found in scores.items():
                spread = f"{np.median(found):6.1f} [{min(found):.1f}..{max(found):.1f}]"
                print(f"  {mix} {name:24} {spread} n {len(found)}  {text[-60:]}")
            for run in scored:
                for name in ("static", "FIR", "level static", "level FIR"):
                    print(f"  {mix} {run} over {name}: {gain_in_words(scores[run], scores[name])}")


if __name__ == "__main__":
    main()

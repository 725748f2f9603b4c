"""Figures of made-up drum sessions: how far wet is from dry, crest, width, the engineer's moods, speed.

    python benchmarks/drum_sessions.py FOLDER [--sessions 30] [--seed 0] [--seconds 20] [--write OUT]

FOLDER holds kits, performances and impulse responses (docs/synthesis.md). Published mixes of the drum set
that the paper's network was trained on: the dry mix taken for the wet one 9.4 dB SI-SDR, crest about 22 dB,
side over mid about -15 dB. Speeds are by the processor's time, not the clock.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from mixcli.freed_memory import keep_freed_memory
from mixcli.synthesis.sessions import SoundBank, read_source, render, session_plans


def si_sdr_db(found_TC, wanted_TC):
    found, wanted = found_TC.ravel().astype(np.float64), wanted_TC.ravel().astype(np.float64)
    scaled = found * (found @ wanted) / (found @ found)
    return 10 * np.log10((scaled @ scaled) / np.sum((wanted - scaled) ** 2))


def crest_db(mix_TC):
    return 20 * np.log10(np.abs(mix_TC).max() / np.sqrt(np.mean(mix_TC.astype(np.float64) ** 2)))


def side_over_mid_db(mix_TC):
    left_T, right_T = mix_TC.T.astype(np.float64)
    return 10 * np.log10(np.sum((left_T - right_T) ** 2) / np.sum((left_T + right_T) ** 2) + 1e-12)


def low_share_db(mix_TC, rate):
    """Energy below 200 Hz against all."""
    spectrum_F = np.abs(np.fft.rfft(mix_TC.sum(axis=1))) ** 2
    return 10 * np.log10(spectrum_F[: int(200 / rate * len(mix_TC))].sum() / spectrum_F.sum())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--write", type=Path, help="write the sessions as WAV files here")
    given = parser.parse_args()
    keep_freed_memory()  # as the command does
    wet = read_source(
        f"synth:drums={given.folder},seed={given.seed},sessions={given.sessions},longest={given.seconds}"
    )
    bank = SoundBank()
    values, unplayed, cpu_s, audio_s = defaultdict(list), 0, defaultdict(float), defaultdict(float)
    for number, plan in enumerate(session_plans(wet)):
        made = {}
        for name, change in (("wet", {}), ("dry", {"wet": False}), ("usual", {"taste": 0.0})):
            start_s = time.process_time()
            made[name] = render(replace(plan, options=replace(wet, **change)), bank)
            if number >= given.sessions // 3:  # by then the kits are decoded
                for place in ("all kits", plan.kit.name):
                    cpu_s[name, place] += time.process_time() - start_s
                    audio_s[name, place] += plan.n_samples / plan.sample_rate
        session, dry, usual = made["wet"], made["dry"], made["usual"]
        if not session.decisions.strips:
            print(f"{plan.name}: nothing is played")
            continue
        unplayed += sum(session.unplayed.values())
        kit = plan.kit.name
        for place in ("all kits", kit):
            values["dry as wet, SI-SDR dB", place].append(si_sdr_db(dry.mix_TC, session.mix_TC))
            values["no mood as wet, SI-SDR dB", place].append(si_sdr_db(usual.mix_TC, session.mix_TC))
            for name, mix_TC in (("dry", dry.mix_TC), ("wet", session.mix_TC)):
                values[f"crest, {name}, dB", place].append(crest_db(mix_TC))
                values[f"side over mid, {name}, dB", place].append(side_over_mid_db(mix_TC))
                values[f"below 200 Hz, {name}, dB", place].append(low_share_db(mix_TC, plan.sample_rate))
        if given.write:
            folder = given.write / plan.name
            folder.mkdir(parents=True, exist_ok=True)
            for name, stem_T in session.stems.items():
                file = folder / f"{name.replace(':', '_')}.wav"
                soundfile.write(file, stem_T, plan.sample_rate, subtype="PCM_24")
            for name, mix_TC in (("wet", session.mix_TC), ("dry", dry.mix_TC)):
                soundfile.write(folder / f"mix_{name}.wav", mix_TC, plan.sample_rate, subtype="PCM_24")
    for (name, place), found in sorted(values.items(), key=lambda item: (item[0][1] != "all kits", item[0])):
        spread = f"{np.median(found):6.1f} [{min(found):.1f}..{max(found):.1f}]"
        print(f"{place:20} {name:28} {spread} n {len(found)}")
    print(f"strokes without a piece: {unplayed}")
    for name, place in sorted(cpu_s):
        if name != "usual":
            speed = audio_s[name, place] / cpu_s[name, place]
            print(f"{place:20} {name}: {speed:.0f} s of sound per processor second, samples decoded before")


if __name__ == "__main__":
    main()

"""A made-up document of an evaluation, and its excerpts: everything a report may meet, without measuring."""

import copy

import numpy as np

from mixcli.reporting.excerpts import flac_data_uri, matched_gains

SYSTEMS = [
    {"name": "mixcli", "kind": "own"},
    {"name": "megami", "kind": "given"},
    {"name": "a-system-with-a-very-long-name-2026-11-checkpoint-42", "kind": "given"},
    {"name": "fxnorm", "kind": "given"},
    {"name": "blind-side", "kind": "baseline"},
    {"name": "sum", "kind": "baseline"},
]
SONGS = [
    "rock",
    "<script>alert(1)</script>",
    "A song with a remarkably long name (feat. Everybody & Nobody) [Live]",
]
SOURCE = "ITU-R BS.1770-5, https://www.itu.int/rec/R-REC-BS.1770"
MEASURES = [
    ("balance_db", "dB", "nearness", "lower", "how far the levels of the stems are off, on average"),
    ("tone_db", "dB", "nearness", "lower", "difference of the spectra in third octaves, level taken out"),
    ("width_error_db", "dB", "nearness", "lower", "difference of side over mid in bands"),
    ("image_error", "", "nearness", "lower", "difference of left and right in bands"),
    ("crest_error_db", "dB", "nearness", "lower", "difference of the crest factor in short frames"),
    ("timbre_match", "", "nearness", "higher", "correlation of the spectra over time"),
    ("mean_mape_spectral", "", "compatible", "lower", "mean of five spectral features' relative errors"),
    ("centroid_octaves", "octaves", "robust", "lower", "difference of the spectral centroid"),
    ("integrated_lufs", "LUFS", "loudness", "neither", "loudness of the whole mix"),
    ("si_sdr_db", "dB", "waveform", "higher", "scale-invariant ratio of signal to distortion"),
    ("clicks", "", "artefacts", "lower", "number of clicks"),
]
ROLES = [
    "drums.kick",
    "drums.snare",
    "drums.overhead",
    "bass.electric",
    "gtr.electric",
    "keys.piano",
    "vox.lead",
]
SPECTRUM_HZ = [round(1000 * 2 ** (step / 3), 1) for step in range(-15, 11)]
IMAGE_HZ = [125.0 * 2**octave for octave in range(7)]
WIDTH_HZ = [round(1000 * 2 ** (step / 2.5), 1) for step in range(-11, 9)]


def made_up_document(n_stems=7, seed=3):
    """3 songs, 6 systems; the last song has no score of `fxnorm`, `sum` has no values of width."""
    rng = np.random.default_rng(seed)
    songs = [_song(name, n_stems, rng, fails=place == 2) for place, name in enumerate(SONGS)]
    summary = [_summary(songs, system["name"], key) for system in SYSTEMS for key, *_ in MEASURES]
    pairs = [("mixcli", other["name"]) for other in SYSTEMS[1:]]
    return {
        "schema": "mixcli.eval/1",
        "status": "ok",
        "mixcli": "0.2.0",
        "run": {"started": "2026-11-22T03:00:00Z"},
        "settings": {
            "level_lufs": -18.0,
            "anchor": "blind-side",
            "seed": 0,
            "bootstrap": 1000,
            "excerpt_s": 4.0,
        },
        "systems": SYSTEMS,
        "measures": [
            {"key": key, "unit": unit, "family": family, "better": better, "text": text, "source": SOURCE}
            for key, unit, family, better, text in MEASURES
        ],
        "axes": {"spectrum_hz": SPECTRUM_HZ, "width_hz": WIDTH_HZ, "image_hz": IMAGE_HZ},
        "songs": songs,
        "summary": summary,
        "index": [
            {"system": system["name"], "value": 0.4 + 0.15 * i, "low": 0.3 + 0.14 * i, "high": 0.5 + 0.2 * i}
            for i, system in enumerate(SYSTEMS)
        ],
        "comparisons": [
            {"key": key, "system": one, "other": other, "n": 2 if other == "fxnorm" else 3}
            | {"median_difference": -0.6, "low": -1.1, "high": 0.2, "p": 0.25, "p_holm": 1.0}
            for key in ("balance_db", "tone_db", "width_error_db")
            for one, other in pairs
        ],
        "groups": [
            {"by": "genre", "label": label, "system": system["name"], "key": key}
            | {"n": n, "median": float(rng.uniform(1, 4))}
            for label, n in (("rock", 2), ("disco", 1))
            for key in ("balance_db", "tone_db")
            for system in SYSTEMS
        ],
        "requirements": [
            {"text": "tone_db>3", "met": False, "found": "1.94"},
            {"text": "mixcli:balance_db>2", "met": True, "found": "2.31"},
        ],
        "warnings": [{"code": "W204", "message": "alignment is uncertain", "file": "mixes/sum/rock.wav"}],
        "errors": [],
    }


def with_more_baselines(document):
    """The document with two more baselines, which makes eight systems."""
    more = copy.deepcopy(document)
    for name in ("peak-sum", "random-gains"):
        more["systems"] = [*more["systems"], {"name": name, "kind": "baseline"}]
        for song in more["songs"]:
            song["scores"].append({**song["scores"][-1], "system": name})
    return more


def _song(name, n_stems, rng, *, fails):
    duration_s = 47.6
    loudness = -18 + 4 * np.sin(np.arange(48) / 7) + rng.normal(0, 0.6, 48)
    spectrum = -30 - 5 * np.log2(np.array(SPECTRUM_HZ) / 60).clip(0) + rng.normal(0, 1, 26)
    width = -18 + 3 * np.log2(np.array(WIDTH_HZ) / 100) + rng.normal(0, 1, 20)
    levels = rng.normal(-6, 3, n_stems)
    scores = []
    for place, system in enumerate(SYSTEMS):
        base = {"system": system["name"], "file": f"mixes/{system['name']}/{name[:12]}.wav"}
        if fails and system["name"] == "fxnorm":
            error = {"code": "E311", "message": "mixes/fxnorm/x.wav: cannot be read as audio: <bad header>"}
            scores.append(base | {"status": "error", "error": error})
            continue
        far = 0.6 + 0.5 * place
        heard = [None if 20 <= s < 24 else float(v) for s, v in enumerate(loudness + rng.normal(0, far, 48))]
        no_width = system["name"] == "sum"
        kinds = {"megami": ["click", "clipping"], "sum": ["clipping"]}.get(system["name"], [])
        starts = [(kind, float(at)) for kind in kinds for at in rng.uniform(0, 46, 4)]
        scores.append(
            base
            | {
                "status": "ok",
                "error": None,
                "alignment": {"delay_samples": 697 * place, "delay_ms": 15.8 * place, "inverted": place == 3}
                | {"certain": place != 5},
                "level": {"mix_lufs": -14.0 - place, "reference_lufs": -18.3},
                "values": {
                    key: None if no_width and "width" in key else float(far * rng.uniform(0.6, 1.9))
                    for key, *_ in MEASURES
                },
                "curves": {
                    "spectrum_db": [float(v) for v in spectrum + np.cumsum(rng.normal(0, far * 0.5, 26))],
                    "width_db": [None] * 20
                    if no_width
                    else [float(v) for v in width + rng.normal(0, far, 20)],
                    "image_db": [float(v) for v in rng.normal(0, far / 4, 7)],
                    "loudness_lufs": heard,
                    "balance_db": [float(v) for v in levels + rng.normal(0, far, n_stems)],
                },
                "artefacts": [
                    {"kind": kind, "start_s": at, "stop_s": at + 1.0, "text": f"{kind} at {at:.1f} s"}
                    for kind, at in starts
                ],
            }
        )
    return {
        "name": name,
        "status": "ok",
        "error": None,
        "warnings": [],
        "duration_s": duration_s,
        "sample_rate": 44_100,
        "labels": {"genre": "rock"},
        "stems": [
            {"name": f"{i + 1:02d}_{ROLES[i % 7].split('.')[-1].title()}.flac", "role": ROLES[i % 7]}
            for i in range(n_stems)
        ],
        "reference": {
            "file": f"references/{name[:12]}.flac",
            "values": {"integrated_lufs": -18.3, "clicks": 0.0},
            "curves": {
                "spectrum_db": [float(v) for v in spectrum],
                "width_db": [float(v) for v in width],
                "image_db": [0.2] * 7,
                "loudness_lufs": [float(v) for v in loudness],
                "balance_db": [float(v) for v in levels],
            },
        },
        "scores": scores,
    }


def _summary(songs, system, key):
    scores = [score for song in songs for score in song["scores"] if score["system"] == system]
    found = [score["values"][key] for score in scores if score["status"] == "ok"]
    there = [value for value in found if value is not None]
    median = float(np.median(there)) if there else None
    return {"system": system, "key": key, "n": len(there), "mean": median, "median": median} | {
        "low": min(there, default=None),
        "high": max(there, default=None),
    }


def made_up_audio(document, seconds=3.0, rate=22_050):
    """Excerpts for every score that is there: a tone for each system, 200 Hz apart."""
    time_s = np.arange(round(seconds * rate)) / rate
    audio = {}
    for song in document["songs"]:
        there = ["reference"] + [score["system"] for score in song["scores"] if score["status"] == "ok"]
        places = {"reference": 0} | {system["name"]: i for i, system in enumerate(document["systems"], 1)}
        tones = {
            name: (0.2 * np.sin(2 * np.pi * tone_hz(places[name]) * time_s))
            .astype(np.float32)[:, None]
            .repeat(2, 1)
            for name in there
        }
        gains_db = matched_gains(tones, rate)
        for name in there:
            audio[song["name"], name] = flac_data_uri(tones[name], rate, gain_db=gains_db[name])
    return audio


def tone_hz(place):
    """What the reference (0) and each system (from 1) sound like."""
    return 400 + 200 * place

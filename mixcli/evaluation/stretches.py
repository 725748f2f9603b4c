"""The same stretch of every mix of a song, in time with the reference and equally loud, ready for a page."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mixcli.errors import SongError
from mixcli.evaluation.sounds import Sound, empty_sound, read_sound
from mixcli.measures.alignment import Alignment, apply_alignment
from mixcli.reporting.excerpts import excerpt_span, flac_data_uri, matched_gains

REFERENCE = "reference"


def cut_stretches(
    song: Mapping[str, Any],
    seconds: float,
    *,
    level_lufs: float = -18.0,
    systems: Collection[str] | None = None,
) -> dict[str, str]:
    """The loudest stretch of a song's reference, and the same of every scored mix, as FLAC data addresses.

    `song` is its part of an evaluation's document; `systems` are those wanted (None: all), `REFERENCE` the
    human mix. Without a reference the first mix decides. Systems without a file are left out. Raises
    SongError E363 for a file that has gone since, and what reading it raises.
    """
    sources = stretch_sources(song)
    wanted = {name: source for name, source in sources.items() if systems is None or name in systems}
    if not wanted:
        return {}
    rate = int(song["sample_rate"])
    leader = REFERENCE if REFERENCE in sources else next(iter(wanted))
    path, alignment = sources[leader]
    leading_TC = _aligned(path, alignment, rate, None)
    start, stop = excerpt_span(leading_TC, rate, seconds)
    cuts = {leader: np.array(leading_TC[start:stop])} if leader in wanted else {}
    for name, (path, alignment) in wanted.items():
        if name not in cuts:
            cuts[name] = np.array(_aligned(path, alignment, rate, stop)[start:stop])  # all as long
    gains_db = matched_gains(cuts, rate, level_lufs=level_lufs)
    return {name: flac_data_uri(cut_TC, rate, gain_db=gains_db[name]) for name, cut_TC in cuts.items()}


def stretch_sources(song: Mapping[str, Any]) -> dict[str, tuple[Path, Alignment]]:
    """The file of the reference and of every scored mix that has one, with what brings it into time."""
    still = Alignment(0, False, False, 0.0)
    sources = {}
    if song["reference"] is not None:
        sources[REFERENCE] = (Path(song["reference"]["file"]), still)
    for score in song["scores"]:
        if score["status"] == "ok" and score["file"] is not None:
            shift = score["alignment"]
            alignment = still
            if shift is not None:
                alignment = Alignment(shift["delay_samples"], shift["inverted"], shift["certain"], 0.0)
            sources[score["system"]] = (Path(score["file"]), alignment)
    return sources


def _aligned(path: Path, alignment: Alignment, sample_rate: int, n_samples: int | None) -> Sound:
    if not path.is_file():
        hint = "run the evaluation again in the folder it was run in."
        raise SongError(f'"{path}" is not there any more.', code="E363", hint=hint)
    sound_TC, _ = read_sound(path, sample_rate)
    aligned_TC = empty_sound(len(sound_TC) if n_samples is None else n_samples)
    apply_alignment(sound_TC, alignment, aligned_TC)
    return aligned_TC

"""A made-up session as a song on disk, so that it goes the way of all songs."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.files import AudioInfo, read_info
from mixcli.audio.writer import MixWriter
from mixcli.models.settings import split_input
from mixcli.songs.song import Song, Stem

MIX_FILE = "mix.wav"

Samples = NDArray[np.float32]


def session_song(
    name: str, stems: Mapping[str, Samples], mix_TC: Samples, sample_rate: int, folder: Path
) -> Song:
    """Write the microphones (by input) and the mix of a session as 32-bit float files; gives the song.

    The mix is its reference. Inputs that end in :L and :R become one stereo stem, numbered ones keep their
    order by name. Raises OutputError E502 and E503.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for role, parts in _by_role(stems).items():
        if set(parts) == {"L", "R"}:
            files = tuple(
                _write(folder / f"{role} {side}.wav", parts[side], sample_rate) for side in ("L", "R")
            )
            found.append(_stem(f"{role} L.wav", role, files, {}))
            continue
        for part, samples_T in parts.items():
            file = f"{role} {part}.wav" if part else f"{role}.wav"
            attributes = {"side": part} if part in ("L", "R") else {}
            found.append(_stem(file, role, (_write(folder / file, samples_T, sample_rate),), attributes))
    _write(folder / MIX_FILE, mix_TC, sample_rate)
    return Song(name=name, folder=folder, stems=tuple(found), reference=folder / MIX_FILE)


def _by_role(stems: Mapping[str, Samples]) -> dict[str, dict[str, Samples]]:
    found: dict[str, dict[str, Samples]] = {}
    for name, samples_T in stems.items():
        role, part = split_input(name)
        found.setdefault(role, {})[part] = samples_T
    return found


def _stem(name: str, role: str, files: tuple[AudioInfo, ...], attributes: dict[str, str]) -> Stem:
    return Stem(name=name, files=files, role=role, role_from="recipe", attributes=attributes)


def _write(path: Path, samples: Samples, sample_rate: int) -> AudioInfo:
    samples_TC = samples[:, None] if samples.ndim == 1 else samples
    with MixWriter(
        path,
        sample_rate=sample_rate,
        n_channels=samples_TC.shape[1],
        container="wav",
        bit_depth="32f",
    ) as writer:
        writer.write(samples_TC)
    return read_info(path)

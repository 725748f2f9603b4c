"""The demo song: a short recording session of our own synthesis, raw as an engineer would receive it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from mixcli.audio.output import atomic_output
from mixcli.audio.parts import output_error
from mixcli.errors import OutputError
from mixcli.synthesis.drums import perform
from mixcli.synthesis.instruments import (
    acoustic_guitar,
    bass_di,
    electric_guitar,
    electric_piano,
    pad,
    shaker,
)
from mixcli.synthesis.room import record
from mixcli.synthesis.score import N_SAMPLES
from mixcli.synthesis.signals import SAMPLE_RATE, Signal, db, generator, white_noise
from mixcli.synthesis.voice import backing_voices, lead_voice

_WAV_HEADER_BYTES = 44
_BYTES_PER_SAMPLE = 3
_FULL_SCALE = 1 << 23


@dataclass(frozen=True)
class _Input:
    """One input of the recorder: the peak its gain was set for, and the hiss of what is in front of it."""

    peak_dbfs: float
    hiss_dbfs: float = -96.0
    n_channels: int = 1


# Levels as in a raw session: guitars hot, voices careful. Names as in a raw session, too.
INPUTS: dict[str, _Input] = {
    "01_KickIn.wav": _Input(-6.2, -82.0),
    "02_SnrTop.wav": _Input(-4.1, -82.0),
    "03_SnrBtm.wav": _Input(-9.7, -82.0),
    "04_HH.wav": _Input(-15.3, -82.0),
    "05_Tom1.wav": _Input(-8.8, -82.0),
    "06_Tom2.wav": _Input(-7.4, -82.0),
    "07_Shaker.wav": _Input(-18.6, -84.0),
    "OH.L.wav": _Input(-10.4, -80.0),
    "OH.R.wav": _Input(-10.4, -80.0),
    "DrumRoom.wav": _Input(-12.9, -78.0),
    "Bass DI.wav": _Input(-8.1, -88.0),
    "AcGtr.wav": _Input(-7.0, -80.0),
    "EGtr Rhy.wav": _Input(-3.4, -72.0),
    "Rhodes.wav": _Input(-11.8, -84.0, n_channels=2),
    "LdVox.wav": _Input(-15.7, -82.0),
    "BGV oohs.wav": _Input(-18.9, -82.0),
    "Audio 12.wav": _Input(-17.2),
}
_SHARED_GAIN = ("OH.L.wav", "OH.R.wav")  # a matched pair: the louder side sets the gain of both


def _played() -> Iterator[tuple[str, Signal]]:
    """Yield every input's name and sound, [T] or [T, 2], at any scale."""
    yield from record(perform())
    yield "07_Shaker.wav", shaker()
    yield "Bass DI.wav", bass_di()
    yield "AcGtr.wav", acoustic_guitar()
    yield "EGtr Rhy.wav", electric_guitar()
    yield "Rhodes.wav", electric_piano()
    yield "LdVox.wav", lead_voice()
    yield "BGV oohs.wav", backing_voices()
    yield "Audio 12.wav", pad()


def synthesise() -> Iterator[tuple[str, Signal]]:
    """Yield every stem of the demo song: its file name and samples [T, C] between −1 and 1, at 44.1 kHz."""
    hiss = white_noise(N_SAMPLES, generator(501))
    pair: dict[str, Signal] = {}
    for position, (name, sound) in enumerate(_played(), start=1):
        if name in _SHARED_GAIN:
            pair[name] = sound
            if len(pair) < len(_SHARED_GAIN):
                continue
        together = pair if name in _SHARED_GAIN else {name: sound}
        peak = max(float(np.max(np.abs(each))) for each in together.values())
        for side, (each_name, each) in enumerate(together.items()):
            gain = db(INPUTS[each_name].peak_dbfs) / peak
            stem_TC = gain * each.reshape(N_SAMPLES, -1)
            for channel in range(stem_TC.shape[1]):
                # The same hiss at another moment is another hiss.
                shift = 30_011 * (2 * position + side + channel)
                stem_TC[:, channel] += db(INPUTS[each_name].hiss_dbfs) * np.roll(hiss, shift)
            yield each_name, stem_TC


def _size_bytes(name: str) -> int:
    return _WAV_HEADER_BYTES + N_SAMPLES * INPUTS[name].n_channels * _BYTES_PER_SAMPLE


def _looked_at(folder: Path) -> tuple[list[str], list[str]]:
    """Return the demo's own files that are whole, and the names of all others; hidden files don't count."""
    own: list[str] = []
    foreign: list[str] = []
    try:
        for path in sorted(folder.iterdir()) if folder.exists() else ():
            if path.name in INPUTS and path.is_file() and path.stat().st_size == _size_bytes(path.name):
                own.append(path.name)
            elif not path.name.startswith("."):
                foreign.append(path.name)
    except NotADirectoryError as error:
        raise OutputError(
            f'"{folder}" is a file.', code="E501", hint="give the name of a new folder."
        ) from error
    except OSError as error:
        raise output_error(folder, error) from error
    return own, foreign


def demo_song_is_there(folder: Path) -> bool:
    """Say whether a folder holds the demo song, whole, and nothing else (by names and sizes)."""
    if not folder.is_dir():
        return False
    own, foreign = _looked_at(folder)
    return len(own) == len(INPUTS) and not foreign


def write_demo_song(folder: Path, *, overwrite: bool = False) -> tuple[Path, ...]:
    """Write the stems of the demo song into a folder, which is made if need be; return their paths, sorted.

    26 s at 44.1 kHz, 24 bit; the same bytes at every run (on another processor a sample may round the other
    way). A folder that already holds exactly this song is left as it is, one that holds a part of it is
    completed. Raises `OutputError`: E501 where there are other files (unless `overwrite`, which leaves files
    of other names alone), E502 where nothing can be written.
    """
    own, foreign = _looked_at(folder)
    if foreign and not overwrite:
        others = f'"{foreign[0]}"' + (f" and {len(foreign) - 1} more" if len(foreign) > 1 else "")
        raise OutputError(
            f'"{folder}" holds files that are not the demo\'s ({others}).',
            code="E501",
            hint="--force, or give the name of a new folder.",
        )
    if overwrite or len(own) < len(INPUTS):
        for name, stem_TC in synthesise():
            with atomic_output(folder / name, needs_bytes=_size_bytes(name)) as partial:
                partial.write_bytes(_wav_24_bit(stem_TC))
    return tuple(folder / name for name in sorted(INPUTS))


def _wav_24_bit(stem_TC: Signal) -> bytes:
    """Return samples [T, C] as a 24-bit WAV file; the low byte of the 32 that libsndfile takes is empty."""
    samples_TC = np.round(stem_TC * _FULL_SCALE).astype(np.int32) << 8
    file = io.BytesIO()
    soundfile.write(file, samples_TC, SAMPLE_RATE, format="WAV", subtype="PCM_24")
    return file.getvalue()

"""Playing parts on a General MIDI sound font with the program fluidsynth, dry and with the mixer at rest.

Legend: T samples, C = 2 channels.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixcli.errors import SongError, UsageError
from mixcli.synthesis.general_midi import CHORUS, MIXER, REVERB, Part
from mixcli.synthesis.midi import require_mido
from mixcli.synthesis.sound_bank import SAMPLE_RATE

PROGRAM = "fluidsynth"
FONT_PLACES = (Path("/usr/share/sounds/sf2"), Path("/usr/share/soundfonts"))  # where packages put them
FONT_SUFFIXES = (".sf2", ".sf3")
GAIN = "0.3"
TICKS_PER_S = 10_000
GAP_S = 1.5  # of silence between two parts
ALL_SOUND_OFF = 120

Samples = NDArray[np.float32]


def find_program() -> str:
    """The path of fluidsynth; raises UsageError E241 where it is not installed."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise UsageError(
            "full songs are played by the program fluidsynth, which is not on the PATH.",
            code="E241",
            hint="install the package fluidsynth, and a sound font such as fluid-soundfont-gm.",
        )
    return path


def find_sound_font(folder: Path) -> Path:
    """The first sound font in a folder or below it, or else among those that packages install.

    Raises UsageError E241 where there is none.
    """
    for place in (folder, *FONT_PLACES):
        found = sorted(path for path in place.rglob("*") if path.suffix.lower() in FONT_SUFFIXES)
        if found:
            return found[0]
    raise UsageError(
        "full songs are played on a General MIDI sound font (.sf2), and there is none.",
        code="E241",
        hint="put one into the folder of the source, or install the package fluid-soundfont-gm.",
    )


def play_parts(parts: Sequence[Part], seconds: float, sound_font: Path) -> list[Samples]:
    """Play every part alone, [T, 2] each from the start of the stretch, all with the mixer at its usual.

    The parts are played one after the other in one go, for starting takes longer than playing. Raises
    SongError E376 where fluidsynth fails.
    """
    mido = require_mido()
    program = find_program()
    timed = []
    for number, part in enumerate(parts):
        begin_s = number * (seconds + GAP_S)
        for control, value in {**MIXER, REVERB: 0, CHORUS: 0}.items():
            setting = mido.Message("control_change", channel=part.channel, control=control, value=value)
            timed.append((begin_s, setting))
        timed += [(begin_s + time_s, message) for time_s, message in part.messages]
        end = mido.Message("control_change", channel=part.channel, control=ALL_SOUND_OFF, value=0)
        timed.append((begin_s + seconds, end))
    track, ticks = mido.MidiTrack(), 0
    track.append(mido.MetaMessage("set_tempo", tempo=1_000_000))
    for time_s, message in sorted(timed, key=lambda each: each[0]):
        at = round(time_s * TICKS_PER_S)
        track.append(message.copy(time=at - ticks))
        ticks = at
    track.append(mido.MetaMessage("end_of_track", time=round(GAP_S * TICKS_PER_S)))
    song = mido.MidiFile(ticks_per_beat=TICKS_PER_S)
    song.tracks.append(track)
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder) / "parts.mid", Path(folder) / "parts.wav"
        song.save(midi)
        options = ["-ni", "-q", "-R", "0", "-C", "0", "-g", GAIN, "-r", str(SAMPLE_RATE), "-O", "float"]
        command = [program, *options, "-T", "wav", "-F", str(wave), str(sound_font), str(midi)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        if done.returncode or not wave.is_file():
            raise SongError(
                f"fluidsynth could not play a song: {done.stderr.strip()[:200] or 'it wrote nothing'}.",
                code="E376",
                hint="try another sound font.",
            )
        whole_TC: Samples = soundfile.read(wave, dtype="float32", always_2d=True)[0]
    n_samples = round(seconds * SAMPLE_RATE)
    return [_cut(whole_TC, round(n * (seconds + GAP_S) * SAMPLE_RATE), n_samples) for n in range(len(parts))]


def _cut(whole_TC: Samples, start: int, n_samples: int) -> Samples:
    part_TC = whole_TC[start : start + n_samples]
    return np.pad(part_TC, ((0, n_samples - len(part_TC)), (0, 0)))

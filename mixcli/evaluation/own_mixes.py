"""The mixes that an evaluation makes itself: own systems through `mix`, baselines from the stems."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mixcli.audio.output import output_folder
from mixcli.audio.writer import write_audio
from mixcli.evaluation.baselines import render_baseline
from mixcli.evaluation.plan import PlannedSong
from mixcli.evaluation.request import EvalRequest, System
from mixcli.evaluation.sounds import Sound, empty_sound
from mixcli.mixing.mix_song import finished_before, mix_song
from mixcli.mixing.output_path import clean_file_name
from mixcli.mixing.request import MixRequest
from mixcli.mixing.result import MixResult


def mix_request(song: PlannedSong, system: System, request: EvalRequest, folder: Path) -> MixRequest:
    """What `mix` is asked for one own system."""
    if song.folder is None:
        raise ValueError("a song without stems cannot be mixed")
    return MixRequest(
        folder=song.folder,
        out=place_of(song, system, folder).parent,
        presets=request.presets,
        settings=system.settings,
        discovery=request.discovery,
        repair=request.repair,
        recipe=song.recipe if system.kind == "own" else None,
        name_template=place_of(song, system, folder).name.replace("{", "{{").replace("}", "}}"),
        if_exists="overwrite",
    )


def place_of(song: PlannedSong, system: System, folder: Path) -> Path:
    """Where a mix made here lies, without its suffix."""
    return folder.joinpath(file_name(system.name), *map(file_name, song.name.split("/")))


def file_name(text: str) -> str:
    """A name as one path component; one that had to be changed gets a mark that keeps it apart."""
    cleaned = clean_file_name(text)
    if cleaned == text:
        return text
    return f"{cleaned} {hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def mix_own(song: PlannedSong, system: System, request: EvalRequest, folder: Path) -> MixResult:
    """Mix the song as `mix` does; a mix that is there and up to date is taken. Raises MixcliError."""
    asked = mix_request(song, system, request, folder)
    return finished_before(asked) or mix_song(asked)


def make_baseline(
    song: PlannedSong,
    system: System,
    request: EvalRequest,
    stems: Sequence[Sound],
    reference_TC: Sound | None,
    sample_rate: int,
) -> tuple[Sound, Path | None]:
    """A baseline as a sound, and the 32-bit float file it is kept in, if results are kept."""
    length = max((len(stem_TC) for stem_TC in stems), default=0)
    sound_TC = empty_sound(length)
    position = 0
    for block_TC in render_baseline(
        system.name, stems, sample_rate, seed=request.seed, song=song.name, reference_TC=reference_TC
    ):
        sound_TC[position : position + len(block_TC)] = block_TC
        position += len(block_TC)
    if request.out is None:
        return sound_TC, None
    path = place_of(song, system, request.out / "mixes")
    path = path.with_name(f"{path.name}.wav")
    with output_folder(path.parent):
        write_audio(
            path,
            (sound_TC[start : start + 65_536] for start in range(0, length, 65_536)),
            sample_rate=sample_rate,
            n_channels=2,
            container="wav",
            bit_depth="32f",
        )
    return sound_TC, path

"""Score all systems on one song: read it once, mix what mixcli mixes, measure every mix."""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from mixcli.audio.files import display_name, read_info
from mixcli.errors import MixcliError, Notice, SongError
from mixcli.evaluation.cache import (
    cache_path,
    read_cache,
    score_fingerprint,
    song_fingerprint,
    stamp,
    write_cache,
)
from mixcli.evaluation.material import SongMaterial, StemSounds, read_parts, read_stems, without_stems
from mixcli.evaluation.own_mixes import make_baseline, mix_own, mix_request
from mixcli.evaluation.plan import PlannedSong
from mixcli.evaluation.request import EvalRequest, System
from mixcli.evaluation.score_mix import score_mix, score_reference
from mixcli.evaluation.sounds import Sound, read_sound
from mixcli.mixing.result import error_document, notice_document
from mixcli.songs.discovery import read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.header_checks import most_common_rate
from mixcli.songs.song import Song
from mixcli.songs.survey import survey_song

Document = dict[str, Any]
ORACLE = "oracle"  # the baseline that needs a reference


def score_song(
    planned: PlannedSong, systems: tuple[System, ...], request: EvalRequest, folder: Path
) -> tuple[Document, tuple[str, ...]]:
    """The song's part of the document, and tracebacks of bugs in single systems.

    Mixes that are made go into `folder`. What was scored before from the same files and settings is taken
    from `out`. Raises MixcliError for what stops the whole song: a reference that cannot be read.
    """
    path = cache_path(planned, request)
    fingerprint = song_fingerprint(planned, request)
    prints = {system.name: fingerprint_of(planned, system, request, folder) for system in systems}
    kept = read_cache(path, fingerprint)
    done = still_good(kept, prints)
    if kept and kept["song"]["reference"] is None:
        systems = tuple(system for system in systems if system.name != ORACLE)
    if kept and all(system.name in done for system in systems):
        return song_document(planned, kept["song"], systems, done), ()
    desk = SongDesk(planned, request, folder)
    if desk.material.reference_TC is None:  # nothing for it to know
        systems = tuple(system for system in systems if system.name != ORACLE)
    traces: list[str] = []
    for system in systems:
        if system.name not in done:
            done[system.name] = desk.score(system, traces)
    content = desk.document()
    scored = {name: score for name, score in done.items() if score["status"] == "ok"}
    files = {name: stamp(Path(score["file"])) for name, score in scored.items() if score["file"]}
    write_cache(path, fingerprint, {"song": content, "prints": prints, "files": files, "scores": scored})
    return song_document(planned, content, systems, done), tuple(traces)


class SongDesk:
    """One song opened for scoring: its stems, its reference, and what was noticed on the way."""

    def __init__(self, planned: PlannedSong, request: EvalRequest, folder: Path) -> None:
        self._planned, self._request, self._folder = planned, request, folder
        self._notices: list[Notice] = []
        self._reference = planned.reference
        song = self._open_song()
        reference_TC, rate = None, None
        if self._reference is not None:
            reference_TC, rate = read_sound(self._reference, None)
        else:
            self._notices.append(Notice("W362", "no reference mix: only what needs none is measured."))
        if rate is None:
            rate = most_common_rate(song.stems) if song is not None else self._rate_of_mixes()
        stems = None if song is None else self._read_stems(song, rate)
        self.material = SongMaterial(
            rate, reference_TC=reference_TC, stems=stems, parts=self._read_parts(stems, rate)
        )

    def score(self, system: System, traces: list[str]) -> Document:
        """One system's scores; a failure is told in them."""
        empty = dict.fromkeys(("file", "alignment", "level"))
        bare: Document = {"system": system.name, "status": "error", "error": None, **empty}
        bare |= {"values": {}, "curves": {}, "artefacts": [], "warnings": [], "excerpts": []}
        try:
            mix_TC, file = self._mix_of(system)
            scores = score_mix(mix_TC, self.material)
        except MixcliError as error:
            return {**bare, "error": error_document(error)}
        except MemoryError:
            raise
        except Exception:  # a bug must cost one score, not the night
            traces.append(traceback.format_exc())
            bug = {"code": "E100", "message": "unexpected error, a bug", "hint": None}
            return {**bare, "error": bug}
        shown = None if file is None else display_path(file)
        return {**bare, **scores, "status": "ok", "file": shown}

    def document(self) -> Document:
        """What is known of the song, whichever systems are compared."""
        reference = None
        if self._reference is not None:
            reference = {"file": display_path(self._reference), **score_reference(self.material)}
        lengths = [self.material.reference_TC, *(self.material.stems.sounds if self.material.stems else ())]
        n_samples = max((len(sound_TC) for sound_TC in lengths if sound_TC is not None), default=0)
        return {
            "duration_s": round(n_samples / self.material.sample_rate, 3),
            "sample_rate": self.material.sample_rate,
            "stems": [] if self.material.parts is None else self.material.parts.documents,
            "reference": reference,
            "warnings": [notice_document(notice) for notice in self._notices],
        }

    def _open_song(self) -> Song | None:
        """The stems that are mixed: what content shows to be no stem is left out, as in `mix`."""
        if self._planned.folder is None:
            return None
        discovery = self._request.discovery
        try:
            # the mix beside broken stems is wanted too, so broken ones are refused after it was found
            tolerant = read_song(self._planned.folder, replace(discovery, skip_bad=True))
            self._reference = self._reference or tolerant.reference
            song = read_song(self._planned.folder, discovery)
            rate = most_common_rate(song.stems)
            survey = survey_song(song, rate, skip_bad=discovery.skip_bad, repair=self._request.repair)
            return apply_survey(song, survey)[0]
        except MixcliError as error:
            self._notices.append(without_stems(error, self._planned))
            return None

    def _read_stems(self, song: Song, sample_rate: int) -> StemSounds:
        return read_stems(song, sample_rate, repair=self._request.repair)

    def _read_parts(self, stems: StemSounds | None, sample_rate: int) -> StemSounds | None:
        """What the balance is measured on; without readable parts there is none."""
        if self._planned.parts is None:
            return stems
        try:
            return read_parts(self._planned, sample_rate)
        except SongError as error:
            message = f"no balance, since a part cannot be read: {error.message}"
            self._notices.append(Notice("W366", message, display_name(self._planned.parts)))
            return None

    def _rate_of_mixes(self) -> int:
        for path in self._planned.mixes.values():
            with suppress(SongError):
                return read_info(path).sample_rate
        return 44_100

    def _mix_of(self, system: System) -> tuple[Sound, Path | None]:
        """A system's mix as a sound, and the file it lies in if it will stay there."""
        planned, request = self._planned, self._request
        if system.kind == "given":
            if system.name in planned.missing:
                raise copy(planned.missing[system.name])  # a stored one would keep all that is open here
            return self._given_mix(planned.mixes[system.name])
        elif system.is_mixed:
            file = mix_own(planned, system, request, self._folder).paths.audio
        else:
            return self._baseline(system)
        sound_TC, _ = read_sound(file, self.material.sample_rate)
        return sound_TC, file if request.out is not None else None

    def _given_mix(self, file: Path) -> tuple[Sound, Path]:
        try:
            return read_sound(file, self.material.sample_rate)[0], file
        except SongError as error:  # its hint is about stems
            raise SongError(error.message, code=error.code, hint="mend the file, or take it away.") from error

    def _baseline(self, system: System) -> tuple[Sound, Path | None]:
        stems = self.material.stems
        if stems is None:
            raise SongError("a baseline needs the song's stems.", code="E365", hint="--baselines none")
        return make_baseline(
            self._planned,
            system,
            self._request,
            stems.sounds,
            self.material.reference_TC,
            self.material.sample_rate,
        )


def fingerprint_of(planned: PlannedSong, system: System, request: EvalRequest, folder: Path) -> str:
    """What a system's scores depend on, beside the song's own files."""
    asked = mix_request(planned, system, request, folder) if system.is_mixed and planned.folder else None
    return score_fingerprint(planned, system, request, asked)


def still_good(kept: Mapping[str, Any], prints: Mapping[str, str]) -> dict[str, Document]:
    """The scores kept from earlier whose mixes have not changed since."""
    return {
        name: kept["scores"][name]
        for name, fingerprint in prints.items()
        if kept and name in kept["scores"] and kept["prints"].get(name) == fingerprint
        if (file := kept["scores"][name]["file"]) is None or kept["files"].get(name) == stamp(Path(file))
    }


def song_document(
    planned: PlannedSong, content: Document, systems: tuple[System, ...], scores: Mapping[str, Document]
) -> Document:
    """The song's part of the document, its scores in the order of the systems."""
    return {
        "name": planned.name,
        "folder": None if planned.folder is None else display_name(planned.folder),
        "status": "ok",
        "error": None,
        "labels": dict(planned.labels),
        **content,
        "scores": [scores[system.name] for system in systems],
    }


def display_path(path: Path) -> str:
    """A path as it was given, with "/"."""
    return path.as_posix()

"""The songs of a folder as an album: one gain for all of them, so that a quiet song stays the quiet one."""

import math
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from mixcli.batching.manifest import Entry
from mixcli.batching.plan import WANTED, BatchPlan, PlannedSong
from mixcli.batching.request import BatchRequest
from mixcli.errors import MixcliError
from mixcli.lanes import Finished, Tell, run_lanes
from mixcli.mixing.console_loudness import loudness_before_master
from mixcli.mixing.request import MixRequest

LEAST_LUFS = -60.0  # the lowest target that a mix takes
SAME_LU = 0.05


def songs_to_measure(plan: BatchPlan, entries: Mapping[str, Entry]) -> list[int]:
    """The songs whose loudness before the master is not known, of the albums that need it.

    That of a song that is up to date stands in the manifest. Albums of which nothing is made and all is known
    need nothing; songs that cannot be mixed, or are still changing, are of no album.
    """
    chosen = []
    for indexes in _albums(plan):
        if any(plan.songs[index].wanted for index in indexes):
            chosen += [index for index in indexes if _known_lufs(plan.songs[index], entries) is None]
    return chosen


def measure_songs(plan: BatchPlan, indexes: list[int], *, jobs: int) -> Generator[tuple[int, float | None]]:
    """Measure songs side by side: place in the plan, and LUFS before the master or None if it has none."""
    tasks = ((index, plan.songs[index].request) for index in indexes)
    for event in run_lanes(measure_one, tasks, workers=jobs):
        if isinstance(event, Finished):
            yield event.index, event.result


def measure_one(request: MixRequest, tell: Tell) -> float | None:
    """The loudness of one song before its master; what is wrong with it will be told when it is mixed."""
    try:
        return loudness_before_master(request, lambda *_: tell(None))
    except (MixcliError, MemoryError):
        return None


def level_albums(
    plan: BatchPlan, request: BatchRequest, measured: Mapping[int, float | None], entries: Mapping[str, Entry]
) -> BatchPlan:
    """The plan with a target for each song: the loudest of its album reaches the one asked for.

    The others stay below it by as much as they are softer before the master. Songs that are up to date but
    for their target have changed.
    """
    target_lufs = plan.settings.lufs
    assert target_lufs is not None  # or there is no album
    songs = list(plan.songs)
    for indexes in _albums(plan):
        found = {index: measured.get(index, _known_lufs(songs[index], entries)) for index in indexes}
        heard = {index: lufs for index, lufs in found.items() if lufs is not None and math.isfinite(lufs)}
        loudest = max(heard.values(), default=0.0)
        for index, lufs in heard.items():
            target = max(round(target_lufs - loudest + lufs, 2), LEAST_LUFS)
            songs[index] = _levelled(songs[index], request, lufs, target, entries)
    return replace(plan, songs=tuple(songs))


def _levelled(
    song: PlannedSong, request: BatchRequest, lufs: float, target: float, entries: Mapping[str, Entry]
) -> PlannedSong:
    asked = replace(song.request, settings={**song.request.settings, "lufs": target})
    song = replace(song, request=asked, album_lufs=(round(lufs, 3), target))
    entry = entries.get(song.mix, {})
    if song.state == "current" and abs(entry.get("album_lufs", math.inf) - target) > SAME_LU:
        wanted = song.wanted or "changed" in WANTED[request.only]
        return replace(song, state="changed", why="its album has changed", wanted=wanted)
    return song


def _albums(plan: BatchPlan) -> list[list[int]]:
    """The places of the songs of each folder."""
    albums: dict[PurePosixPath, list[int]] = defaultdict(list)
    for index, song in enumerate(plan.songs):
        if song.failure is None and not song.settling:
            albums[PurePosixPath(song.relative).parent].append(index)
    return list(albums.values())


def _known_lufs(song: PlannedSong, entries: Mapping[str, Entry]) -> float | None:
    entry = entries.get(song.mix)
    if song.state != "current" or entry is None:
        return None
    known: float | None = entry.get("console_lufs")
    return known

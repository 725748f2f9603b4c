"""What a batch will do, song by song, from names and headers alone."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mixcli.audio.wording import printable
from mixcli.batching.disk import mix_bytes, terms_bytes, working_bytes
from mixcli.batching.freshness import SongKey, asked_digest, change_times, mix_intact, song_key
from mixcli.batching.manifest import Manifest
from mixcli.batching.places import FoundSong, songs_of, without_mixes
from mixcli.batching.request import BatchRequest
from mixcli.batching.shards import share_of
from mixcli.errors import MixcliError, SettingsError, SongError, UsageError
from mixcli.mixing.measured import mix_sample_rate
from mixcli.mixing.mix_song import finished_before, paths_of
from mixcli.mixing.output_path import AUDIO_SUFFIXES, MixPaths, lies_in, plan_paths
from mixcli.mixing.request import MixRequest
from mixcli.mixing.result import read_record
from mixcli.mixing.settle import settle_settings
from mixcli.settings import MixSettings
from mixcli.songs.discovery import read_song
from mixcli.songs.listing import song_name

State = Literal["new", "changed", "failed", "current"]
WANTED: dict[str, tuple[State, ...]] = {
    "rest": ("new", "changed", "failed"),
    "new": ("new",),
    "failed": ("failed",),
    "stale": ("changed",),
    "all": ("new", "changed", "failed", "current"),
}
SHOWN_CLASHES = 3
UNREADABLE_S = 1.0  # what a song that cannot be read counts for when a library is divided


@dataclass(frozen=True, kw_only=True)
class PlannedSong:
    """A song of a batch: where its mix goes, what is known of it, and whether it is made.

    `why` says in words why it is in its `state`. `failure` is what was found to stand in the way. `adopted`
    is what an earlier mix left beside itself, where the manifest does not know the song. The bytes are what
    the mix takes, and more while it is made.
    """

    relative: str
    request: MixRequest
    paths: MixPaths | None
    mix: str
    state: State
    why: str
    wanted: bool
    key: SongKey | None = None
    n_stems: int | None = None
    duration_s: float | None = None
    kept_bytes: int = 0
    working_bytes: int = 0
    failure: MixcliError | None = None
    adopted: dict[str, Any] | None = None
    album_lufs: tuple[float, float] | None = None  # before the master, and the target, in its album
    settling: bool = False  # its files were changed a moment ago, and may be changing still
    touched: bool = False  # the files look different, and hold what they held

    @property
    def label(self) -> str:
        """What the song is called in messages."""
        return song_name(self.request.folder) if self.relative == "." else self.relative


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """All songs of a batch, in the natural order of each place."""

    songs: tuple[PlannedSong, ...]
    settings: MixSettings
    asked: str

    @property
    def wanted(self) -> list[int]:
        """The places in `songs` of those that are made."""
        return [index for index, song in enumerate(self.songs) if song.wanted]


def find_batch(request: BatchRequest, listed: Iterable[Path] = ()) -> list[FoundSong]:
    """Find the songs of a batch; nothing is written, nothing opened.

    Raises UsageError when the output is a file, SongError when there is no song, OutputError E507 when the
    output is a song or holds some, and for what is wrong with the settings of all.
    """
    out, every = request.out, request.every
    if out == Path("-") or out.suffix.lower() in AUDIO_SUFFIXES or out.is_file():
        message = f'"{out}" is a file; a batch writes into a folder.'
        raise UsageError(message, code="E209", hint=f"--out {out.with_suffix('')}")
    found = songs_of(request.places, listed)
    if not found:
        places = ", ".join(f'"{printable(str(place))}"' for place in request.places)
        hint = "a song is a folder with at least two audio files; mixcli inspect shows what a folder holds."
        raise SongError(f"no songs in {places or 'the list'}.", code="E306", hint=hint)
    if out.exists() and not any(lies_in(place, out) for place in request.places):
        found = without_mixes(found, out)
    for song in found[:1]:
        paths_of(replace(every, folder=song.folder, out=out / song.relative))  # wrong for one, wrong for all
    return found


def plan_batch(
    request: BatchRequest,
    found: list[FoundSong],
    manifest: Manifest,
    *,
    on_song: Callable[[int, int], None] = lambda _done, _total: None,
) -> BatchPlan:
    """Say of each song what will become of it; nothing is written, and of files only headers are read.

    But files that look different are read, where only that tells whether they are. Songs that cannot be
    mixed are planned as failures. Raises SettingsError E421 when two songs would have one mix.
    """
    settings, _ = settle_settings(request.every)
    planner = _Planner(request, settings, asked_digest(request.every, album=request.album), manifest)
    planned = []
    for index, song in enumerate(found):
        planned.append(planner.plan(song))
        on_song(index + 1, len(found))
    _refuse_clashes(planned)
    if request.shard is not None:
        lengths_s = [song.duration_s or UNREADABLE_S for song in planned]
        names = [song.relative for song in planned]
        planned = [planned[index] for index in share_of(lengths_s, names, request.shard)]
    return BatchPlan(songs=tuple(planned), settings=settings, asked=planner.asked)


def mix_below(audio: Path, out: Path) -> str:
    """What the manifest calls a mix: its path below the output folder, with "/"."""
    return os.path.relpath(audio, out).replace(os.sep, "/")


class _Planner:
    """What is the same for all songs of a batch."""

    def __init__(self, request: BatchRequest, settings: MixSettings, asked: str, manifest: Manifest) -> None:
        self.request = request
        self.settings = settings
        self.asked = asked
        self.entries = manifest.entries

    def plan(self, found: FoundSong) -> PlannedSong:
        """One song."""
        request = replace(self.request.every, folder=found.folder, out=self.request.out / found.relative)
        song = PlannedSong(
            relative=found.relative, request=request, paths=None, mix=found.relative, state="new", why="new",
            wanted=True,
        )  # fmt: skip
        try:
            if found.error is not None:
                raise found.error
            paths = plan_paths(
                request.folder, request.out, request.name_template, self.settings, preset=request.preset
            )
            song = replace(song, paths=paths, mix=mix_below(paths.audio, self.request.out))
            song = self._compare(song, paths)
            if song.state != "current" and self._is_settling(request.folder):
                return replace(song, settling=True, wanted=False, why=f"{song.why}, still changing")
            wanted = song.state in WANTED[self.request.only] or request.if_exists != "skip"
            song = replace(song, wanted=wanted)
            if song.state == "current" and not wanted and self.request.shard is None:
                return song
            return self._measure(song, paths)
        except MixcliError as error:
            wanted = song.wanted and (song.state != "new" or self.request.only in ("rest", "new", "all"))
            return replace(song, failure=error, why=f"{song.why}, {error.code}", wanted=wanted)

    def _compare(self, song: PlannedSong, paths: MixPaths) -> PlannedSong:
        """The song with its state, by the manifest, or by what lies beside a mix that is not in there."""
        folder, content = song.request.folder, self.request.check == "content"
        entry = self.entries.get(song.mix)
        key = song_key(self.asked, folder, content=content)
        song = replace(song, key=key)
        if entry is None:
            return self._adopt(song, paths)
        if entry["status"] != "ok":
            code = entry["errors"][0]["code"] if entry.get("errors") else ""
            return replace(song, state="failed", why=f"failed before {code}".rstrip())
        song = replace(song, n_stems=entry.get("stems"), duration_s=entry.get("duration"))
        if not mix_intact(entry, paths.audio, content=content):
            return replace(song, state="changed", why="its mix is gone or not as it was left")
        if entry.get("asked") != self.asked:
            return replace(song, state="changed", why="other settings or version")
        if entry.get("stat") != key.stat or content:
            read = key if content else song_key(self.asked, folder, content=True)
            if read.content != entry.get("content"):
                return replace(song, state="changed", why="its stems have changed")
            song = replace(song, key=read, touched=entry.get("stat") != key.stat)
        return replace(song, state="current", why="up to date")

    def _is_settling(self, folder: Path) -> bool:
        """Whether a file of a song was changed a moment ago; clocks of other machines may be ahead."""
        if not self.request.settle_s:
            return False
        ages_s = [time.time() - changed_s for changed_s in change_times(folder)]
        return any(abs(age_s) < self.request.settle_s for age_s in ages_s)

    def _adopt(self, song: PlannedSong, paths: MixPaths) -> PlannedSong:
        """A mix that the manifest has not heard of, made by `mixcli mix` or just before a run was killed."""
        if not paths.audio.exists():
            return song
        if finished_before(song.request) is None:
            return replace(song, state="changed", why="a mix is there, but not known to be of this")
        record = read_record(paths.result)
        return replace(
            song,
            state="current",
            why="up to date",
            adopted=record,
            n_stems=len(record["inputs"]),
            duration_s=record["song"].get("duration"),
        )

    def _measure(self, song: PlannedSong, paths: MixPaths) -> PlannedSong:
        """The song with what its headers say. Raises SongError."""
        request, settings = song.request, self.settings
        read = read_song(request.folder, request.discovery)
        rate, whole_s = mix_sample_rate(read, settings), read.duration_s
        mixed_s = min(max(whole_s - request.start_s, 0.0), request.duration_s or whole_s)
        kept = mix_bytes(mixed_s, rate, settings)
        return replace(
            song,
            n_stems=len(read.stems),
            duration_s=mixed_s,
            kept_bytes=kept + terms_bytes(mixed_s, rate, len(read.stems), request.terms),
            working_bytes=working_bytes(mixed_s, rate),
        )


def _refuse_clashes(songs: list[PlannedSong]) -> None:
    times = Counter(song.mix for song in songs if song.paths is not None)
    clashes = [mix for mix, count in times.items() if count > 1]
    if not clashes:
        return
    named = [f'"{printable(mix)}"' for mix in clashes[:SHOWN_CLASHES]]
    folders = [f'"{printable(str(song.request.folder))}"' for song in songs if song.mix == clashes[0]]
    message = (
        f"{len(clashes)} {'mix' if len(clashes) == 1 else 'mixes'} would be of several songs: "
        f"{', '.join(named)}{', …' if len(clashes) > SHOWN_CLASHES else ''} ({', '.join(folders[:2])})."
    )
    hint = "name the folder above them as the one LIBRARY, or give each its own --out."
    raise SettingsError(message, code="E421", hint=hint)

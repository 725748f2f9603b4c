"""Mix every song below a library, one after the other; a song that fails does not stop the rest."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mixcli.errors import MixcliError, SongError, UsageError
from mixcli.mixing.mix_song import finished_before, mix_song, paths_of
from mixcli.mixing.output_path import AUDIO_SUFFIXES, lies_in
from mixcli.mixing.request import MixRequest, Progress
from mixcli.mixing.result import MixFailure, MixResult
from mixcli.songs.library import find_songs
from mixcli.songs.listing import song_name
from mixcli.songs.song_folder import check_folder


@dataclass(frozen=True, kw_only=True)
class PlannedSong:
    """A song of a library, its place in it, and the request that mixes it."""

    relative: str
    request: MixRequest

    @property
    def label(self) -> str:
        """What the song is called in messages."""
        return song_name(self.request.folder) if self.relative == "." else self.relative


def plan_batch(library: Path, out: Path, wanted: MixRequest) -> list[PlannedSong]:
    """Find the songs of a library and where each mix goes: `out` holds the library's folders again.

    `wanted` says what is asked of every song. A song folder given as library is a library of one. Raises
    UsageError when `out` is a file, SongError when there is no song.
    """
    if out == Path("-") or out.suffix.lower() in AUDIO_SUFFIXES or out.is_file():
        message = f'"{out}" is a file; a batch writes into a folder.'
        raise UsageError(message, code="E209", hint=f"--out {out.with_suffix('')}")
    check_folder(library)
    songs = find_songs(library)
    if not songs:
        hint = "a song is a folder with at least two audio files; mixcli inspect shows what a folder holds."
        raise SongError(f'no songs in "{library}".', code="E306", hint=hint)
    kept_inside = lies_in(out, library) and not lies_in(library, out)  # earlier mixes are no songs
    planned = [
        PlannedSong(relative=relative, request=replace(wanted, folder=folder, out=out / relative))
        for relative, folder in songs
        if not (kept_inside and lies_in(folder, out))
    ]
    for song in planned[:1]:
        paths_of(song.request)  # what is wrong with template or settings is wrong for all
    return planned


def run_batch(
    songs: list[PlannedSong], on_song: Callable[[int, PlannedSong], Progress | None] = lambda _i, _s: None
) -> Iterator[MixResult | MixFailure]:
    """Mix the songs in order. `if_exists="skip"` passes over mixes that are finished and still up to date.

    A song's expected failure and a bug inside it are both a MixFailure; only an interruption ends the run.
    """
    for index, song in enumerate(songs):
        request = song.request
        try:
            if request.if_exists == "skip":
                done = finished_before(request)
                if done is not None:
                    yield done
                    continue
                request = replace(request, if_exists="overwrite")
            result = mix_song(request, on_song(index, song))
            if result.missed is not None:
                raise result.missed
            yield result
        except MixcliError as error:
            yield MixFailure(song=song_name(request.folder), folder=request.folder, error=error)
        except Exception:  # a bug must cost one song, not the night
            trace = traceback.format_exc()
            yield MixFailure(song=song_name(request.folder), folder=request.folder, traceback=trace)

"""Which folder a song's stems really lie in, below the one that was named."""

import difflib
from dataclasses import dataclass, field
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import Notice, SongError
from mixcli.songs.library import FEWEST_STEMS, find_songs, is_role_folder, is_set_aside, usable_names
from mixcli.songs.listing import Listing, holds_audio, list_below, list_folder, natural_key, stem_folder_rank
from mixcli.songs.tokens import AUDIO_SUFFIXES


@dataclass(kw_only=True)
class SongFolder:
    """The folder of the stems and its content. `above` are audio files left behind on the way down to it."""

    folder: Path
    listing: Listing
    above: list[Path] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def find_song_folder(named: Path, *, recursive: bool, allow_single: bool) -> SongFolder:
    """Descend to the stems: through a folder like `Stems/` or `RAW/`, or through a wrapper that stands alone.

    With `recursive` everything below counts and nothing is descended. Raises SongError E301 to E305.
    """
    check_folder(named)
    if recursive:
        listing = list_below(named)
        if not listing.audio:
            raise _no_audio(named)
        return SongFolder(folder=named, listing=listing)
    found = SongFolder(folder=named, listing=list_folder(named))
    while True:
        usable = usable_names(found.listing)
        rooms = [folder for folder in found.listing.folders if holds_audio(folder)]
        current = [folder for folder in rooms if not is_set_aside(folder)]
        if len(usable) >= FEWEST_STEMS or (usable and (allow_single or not current)) or not rooms:
            if not found.listing.audio and not found.above:
                raise _no_audio(named)
            found.notices += _unread_folders(rooms)
            return found
        room = _room_of_stems(current or rooms, has_stem=bool(usable))
        if room is None:
            raise _several(named, current or rooms)
        ignored = found.listing.ignored
        found = SongFolder(
            folder=room,
            listing=list_folder(room),
            above=[*found.above, *found.listing.audio],
            notices=[*found.notices, Notice("I302", f'stems are taken from "{display_name(room)}/".')],
        )
        found.listing.ignored += ignored


def _room_of_stems(rooms: list[Path], *, has_stem: bool) -> Path | None:
    """The one folder to descend into: the only one, or the one whose name is likeliest to say so."""
    ranked = [folder for folder in rooms if stem_folder_rank(folder) is not None]
    if ranked:
        return min(ranked, key=lambda folder: (stem_folder_rank(folder), natural_key(folder.name)))
    return rooms[0] if len(rooms) == 1 and not has_stem else None


def check_folder(folder: Path) -> None:
    """Raise SongError E301 or E302 for what is no folder, with the nearest name beside it."""
    name = display_name(folder)
    if folder.is_dir():
        return
    if folder.exists():
        if folder.suffix.lower() in AUDIO_SUFFIXES:
            message = f'"{name}" is one audio file; mix needs a folder of stems.'
            raise SongError(message, code="E302", hint=f'mixcli mix "{folder.parent}"')
        raise SongError(
            f'"{name}" is a file; mix needs a folder of stems.', code="E302", hint="name its folder."
        )
    try:
        beside = sorted(entry.name for entry in folder.parent.iterdir() if entry.is_dir())
    except OSError:
        beside = []
    close = difflib.get_close_matches(folder.name, beside, n=1)
    hint = f'did you mean "{display_name(Path(close[0]))}"? Quote paths with spaces.' if close else None
    raise SongError(f'no folder "{name}".', code="E301", hint=hint or "quote paths with spaces.")


def _no_audio(folder: Path) -> SongError:
    ignored = list_below(folder).ignored
    n_files = sum(ignored.values())
    kinds = ", ".join(
        f"{count} {kind}" for kind, count in sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    )
    looked = (
        f"{n_files} {'file' if n_files == 1 else 'files'} looked at: {kinds}" if n_files else "it is empty"
    )
    return SongError(
        f'no audio in "{display_name(folder)}" ({looked}).',
        code="E303",
        hint="export the tracks as WAV first.",
    )


def _several(named: Path, rooms: list[Path]) -> SongError:
    """Several folders with audio: a library, or one song in parts."""
    songs = find_songs(named)
    if len(songs) > 1 and not any(is_role_folder(folder) for folder in rooms):
        return SongError(
            f'"{display_name(named)}" holds {len(songs)} songs, not stems.',
            code="E305",
            hint=f"mixcli batch {display_name(named)} --out mixes",
        )
    listed = ", ".join(f'"{display_name(folder)}/"' for folder in rooms[:4]) + ("…" if len(rooms) > 4 else "")
    return SongError(
        f"stems are in subfolders ({listed}).",
        code="E304",
        hint="add --recursive, or batch if each is a song.",
    )


def _unread_folders(rooms: list[Path]) -> list[Notice]:
    """Say which folders with audio are left unread: a warning if they are named like stems."""
    if not rooms:
        return []
    listed = ", ".join(f'"{display_name(room)}/"' for room in rooms[:4]) + ("…" if len(rooms) > 4 else "")
    likely = any(is_role_folder(room) or stem_folder_rank(room) is not None for room in rooms)
    return [
        Notice(
            "W326" if likely else "I326", f"audio in subfolders is not mixed ({listed}); --recursive adds it."
        )
    ]

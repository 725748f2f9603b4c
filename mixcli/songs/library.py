"""Finding the songs below a folder."""

import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mixcli.errors import SongError
from mixcli.songs.listing import DEEPEST, STEM_FOLDERS, Listing, list_folder, path_key, stem_folder_rank
from mixcli.songs.roles import family_of, match_role
from mixcli.songs.tokens import common_words, known, split_words

FEWEST_STEMS = 2
# Folders that hold what was made from a song, or what is no longer part of it.
NOT_SONGS = {
    *(
        "mix",
        "mixes",
        "mixdown",
        "mixdowns",
        "master",
        "masters",
        "bounce",
        "bounces",
        "reference",
        "references",
    ),
    *("rough", "roughs", "preview", "previews", "old", "unused", "backup", "backups", "trash"),
}
# Wrappers that are no name of a song, whatever else lies beside them.
WRAPPERS = {
    "export",
    "exports",
    "exported",
    "files",
    "wav",
    "wavs",
    "full",
    "session",
    "media",
    "consolidated",
}


# Words that may stand beside "stems" or "wav" in the name of a folder that is no song's title.
PLAIN_WORDS = {"all", "audio", "clean", "dry", "edited", "final", "individual", "new", "raw", "wet"}


@dataclass(frozen=True)
class _Found:
    folder: Path
    names: tuple[str, ...]


def find_songs(root: Path) -> list[tuple[str, Path]]:
    """The songs below a folder as (path relative to it with "/", folder), in natural order.

    A song is a folder with at least two stems and no song below it. Folders named like `Stems`, `RAW`, `Audio
    Files`, `Multitrack` or `Tracks`, folders that are named for a role (`Drums`, `Vox`), and a folder that is
    alone in another without audio belong to their parent. What lies beside a folder that is just `Stems` is
    part of its song: groups, earlier mixes; so it is for the root, if a mix lies there too. A folder of
    finished mixes is no song: one named like `Mixes` or `References`, or one whose files are named for the
    songs beside it. If the root itself is a song, it is the only one, as ".". Files are judged by their names
    alone; none is opened. A folder below the root that cannot be read counts as a song, so that whoever mixes
    it hears of it.
    """
    listings, unreadable = _walk(root)
    direct = {listing.folder: usable_names(listing) for listing in listings}
    direct_audio = {listing.folder: listing.audio for listing in listings}
    songs: dict[Path, _Found] = {}
    for listing in listings:  # parents come first
        usable = direct[listing.folder]
        if len(usable) >= FEWEST_STEMS and not _is_left_out(listing.folder, root, usable):
            found = _Found(listing.folder, direct[listing.folder])
            songs.setdefault(_lift(listing.folder, root), found)
    for listing in listings:  # one file in each of several folders named for roles is a song as well
        if listing.folder not in songs and _is_role_tree(listing, direct):
            songs[listing.folder] = _Found(listing.folder, ())
    songs = _lift_lone_wrappers(songs, root, direct)
    rooms = {
        home
        for home, song in songs.items()
        if home != song.folder and is_room(song.folder) and (home != root or direct_audio[root])
    }
    songs = {home: song for home, song in songs.items() if rooms.isdisjoint(home.parents)}
    above = {folder for home in songs for folder in home.parents}
    songs = {home: song for home, song in songs.items() if home in rooms or home not in above}
    titles = Counter(split_words(home.name) for home in songs)
    songs = {home: song for home, song in songs.items() if not _are_mixes(song, titles, home)}
    relative = [(home.relative_to(root).as_posix(), home) for home in (*songs, *unreadable)]
    return sorted(relative, key=lambda item: path_key(item[0]))


def is_role_folder(folder: Path) -> bool:
    """Whether a folder is named for a role and nothing else, such as `Drums`, `02 Bass` or `Lead Vox`."""
    words = [word for word in split_words(folder.name) if not word.isdigit()]
    if any(known(word) is None for word in words):  # as in most titles
        return False
    match = match_role(folder.name)
    return match.role_from != "none" and family_of(match.role) != "util"


def _walk(root: Path) -> tuple[list[Listing], list[Path]]:
    """Every folder from the root down, parents first, and those that cannot be read.

    Links to folders are followed, loops are not. Raises SongError E301 if the root itself cannot be read.
    """
    listings: list[Listing] = []
    unreadable: list[Path] = []
    pending = [(root, frozenset({os.path.realpath(root)}))]
    while pending:
        folder, above = pending.pop()
        try:
            listing = list_folder(folder)
        except SongError:
            if folder == root:
                raise
            unreadable.append(folder)
            continue
        listings.append(listing)
        for below in reversed(listing.folders):
            real = os.path.realpath(below)
            if real not in above and len(above) <= DEEPEST:
                pending.append((below, above | {real}))
    return listings, unreadable


def is_room(folder: Path) -> bool:
    """Whether a folder's whole name says that it holds the stems of the song above it."""
    return split_words(folder.name) in STEM_FOLDERS


def usable_names(listing: Listing) -> tuple[str, ...]:
    """The names of the audio files of a folder that are not mixes or clicks by name."""
    names = [path.name for path in listing.audio]
    common = common_words(names)
    return tuple(name for name in names if family_of(match_role(name, (), common).role) != "util")


def is_set_aside(folder: Path) -> bool:
    """Whether a folder is named for mixes, or for what is no longer used."""
    return bool(set(split_words(folder.name)[-1:]) & NOT_SONGS)


def _is_left_out(folder: Path, root: Path, usable: tuple[str, ...]) -> bool:
    """Whether a folder, or one above it, is set aside; a song called `Night (Original Mix)` is not.

    It has a title of its own, none of its neighbours is called like its beginning, and it holds stems.
    """
    above = [each for each in (folder, *folder.parents) if root in each.parents]
    aside = [each for each in above if is_set_aside(each)]
    if aside != [folder]:
        return bool(aside)
    words = split_words(folder.name)
    title = {word for word in words if not word.isdigit()} - NOT_SONGS - PLAIN_WORDS - WRAPPERS
    if not title - set(split_words(folder.parent.name)):
        return True
    beside = [split_words(each.name) for each in folder.parent.iterdir() if each != folder]
    if any(each and each == words[: len(each)] for each in beside):
        return True
    return sum(match_role(name).role_from != "none" for name in usable) < FEWEST_STEMS


def _lift(folder: Path, root: Path) -> Path:
    """The folder whose song the stems in this folder are."""
    while folder != root and (_is_part_of_song(folder) or is_role_folder(folder)):
        folder = folder.parent
    return folder


def _is_part_of_song(folder: Path) -> bool:
    """Whether a folder is `Stems`, `Drum stems`, `Final WAV`, or in `Title/` is called `Title stems`.

    One whose name has a title of its own, as in `Artist - Title Stems`, is a song by itself.
    """
    if stem_folder_rank(folder) is None:
        return False
    ending = {word for words in STEM_FOLDERS for word in words}
    rest = {
        word for word in split_words(folder.name) if not any(letter.isdigit() for letter in word)
    } - ending
    own = rest - WRAPPERS - PLAIN_WORDS - NOT_SONGS
    above = set(split_words(folder.parent.name))
    return (above <= rest and bool(above)) or all(known(word) is not None or word in above for word in own)


def _is_role_tree(listing: Listing, direct: dict[Path, tuple[str, ...]]) -> bool:
    rooms = [folder for folder in listing.folders if direct.get(folder) and is_role_folder(folder)]
    return len(rooms) >= FEWEST_STEMS


def _lift_lone_wrappers(
    songs: dict[Path, _Found], root: Path, direct: dict[Path, tuple[str, ...]]
) -> dict[Path, _Found]:
    """Give a song that is alone in a folder without audio to that folder, if none beside it holds several.

    `Artist/Song/` stays where the folders beside `Artist/` have two songs or more; the root stays a library.
    """
    with_audio = {folder for folder, names in direct.items() if names}
    n_below = Counter(parent for folder in with_audio for parent in folder.parents)
    while True:
        children: dict[Path, list[Path]] = defaultdict(list)
        for home in songs:
            if home != root:
                children[home.parent].append(home)
        crowded = {parent.parent for parent, homes in children.items() if len(homes) > 1 and parent != root}
        lifted = {
            homes[0]
            for parent, homes in children.items()
            if len(homes) == 1
            and parent != root
            and not direct[parent]
            # nothing with audio lies beside it, directly or below
            and n_below[parent] == n_below[homes[0]] + (homes[0] in with_audio)
            and (parent.parent not in crowded or _is_wrapper(homes[0], parent))
        }
        if not lifted:
            return songs
        songs = {(home.parent if home in lifted else home): song for home, song in songs.items()}


def _is_wrapper(folder: Path, parent: Path) -> bool:
    words, above = set(split_words(folder.name)), set(split_words(parent.name))
    return (bool(above) and above <= words) or words <= WRAPPERS


def _are_mixes(song: _Found, titles: Mapping[tuple[str, ...], int], home: Path) -> bool:
    """Whether every file of a folder is named for another song: one finished mix each."""
    own = split_words(home.name)
    return bool(song.names) and all(
        any(titles.get(words[:n], 0) > (words[:n] == own) for n in range(1, len(words) + 1))
        for words in map(split_words, song.names)
    )

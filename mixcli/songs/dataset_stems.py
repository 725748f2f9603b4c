"""Stems and mixes of data sets, from their headers: what all readers of data sets do alike."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mixcli.audio.files import AudioInfo, check_channels, read_info
from mixcli.errors import SongError
from mixcli.songs.dataset_song import DatasetSong, RefusedSong
from mixcli.songs.listing import path_key
from mixcli.songs.pairs import find_pairs
from mixcli.songs.roles import RoleMatch, family_of, match_role
from mixcli.songs.song import Stem
from mixcli.songs.tokens import AUDIO_SUFFIXES, common_words

LENGTHS_APART_S = 5.0  # of mix and stems: more is worth a word
STEMS_SHARE = 0.5  # of the mix: stems shorter than that are not those of the mix


def stems_of(
    folder: Path, paths: Sequence[Path], roles: Mapping[Path, RoleMatch | None] | None = None
) -> tuple[Stem, ...]:
    """Read the headers of stems; left and right files are joined; mixes and clicks by name are left out.

    `roles` are those that the data set itself states; the others are told by name. Raises SongError E311 to
    E316 for the first file that is broken.
    """
    stated = roles or {}
    by_name = {path.relative_to(folder).as_posix(): path for path in paths}
    common = common_words([path.name for path in paths])
    matches: dict[str, RoleMatch] = {}
    for name, path in by_name.items():
        given = stated.get(path)
        match = match_role(path.name, name.split("/")[:-1], common) if given is None else given
        if family_of(match.role) != "util":
            matches[name] = match
    infos = {name: checked_info(by_name[name]) for name in matches}
    pairs = find_pairs(infos)
    stems = []
    for name in sorted(infos.keys() - pairs.values(), key=path_key):
        files = (infos[name], infos[pairs[name]]) if name in pairs else (infos[name],)
        match = matches[name]
        attributes = {key: text for key, text in match.attributes.items() if len(files) == 1 or key != "side"}
        stems.append(
            Stem(name=name, files=files, role=match.role, role_from=match.role_from, attributes=attributes)
        )
    return tuple(stems)


def checked_info(path: Path) -> AudioInfo:
    """The headers of a mono or stereo file. Raises SongError E311 to E316."""
    info = read_info(path)
    check_channels(info, downmix=False)
    return info


def checked_song(song: DatasetSong) -> DatasetSong:
    """The song with what is odd about its mix. Raises SongError where stems or mix cannot be used."""
    if not song.stems:
        raise SongError("no stems.", code="E303")
    if not any(stem.n_samples for stem in song.stems):
        raise SongError("its stems hold no samples.", code="E303")
    if song.mix is None:
        return song
    mix = checked_info(song.mix)
    problems = list(song.problems)
    mix_s, stems_s = mix.n_samples / mix.sample_rate, song.duration_s
    if mix.n_channels == 1:
        problems.append("the mix is mono")
    if min(mix_s, stems_s) < STEMS_SHARE * max(mix_s, stems_s):
        message = f"stems and mix do not belong together: {stems_s:.1f} s and {mix_s:.1f} s long."
        raise SongError(message, code="E371")
    if abs(mix_s - stems_s) > LENGTHS_APART_S:
        problems.append(
            f"the mix is {abs(mix_s - stems_s):.0f} s {'longer' if mix_s > stems_s else 'shorter'}"
        )
    return DatasetSong(
        name=song.name,
        group=song.group,
        part=song.part,
        folder=song.folder,
        stems=song.stems,
        mix=song.mix,
        caution=song.caution,
        problems=tuple(problems),
    )


def song_or_reason(name: str, read: Callable[[], DatasetSong]) -> DatasetSong | RefusedSong:
    """A song, or the reason why it cannot be read."""
    try:
        return checked_song(read())
    except SongError as error:
        return RefusedSong(name, error.message)


def audio_in(folder: Path) -> list[Path]:
    """The audio files of a folder by suffix, in natural order; none where there is no folder."""
    if not folder.is_dir():
        return []
    files = [
        path
        for path in folder.iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    ]
    return sorted(files, key=lambda path: path_key(path.name))


def folders_in(folder: Path) -> list[Path]:
    """The folders of a folder, in natural order, but for hidden ones."""
    if not folder.is_dir():
        return []
    below = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(below, key=lambda path: path_key(path.name))


def artist_of(title: str) -> str:
    """The artist of "Artist - Title", "001 - Artist - Title"; the whole where no artist is named."""
    parts = [part.strip() for part in title.split(" - ")]
    if len(parts) > 2 and parts[0].isdigit():
        parts = parts[1:]
    return parts[0] or title

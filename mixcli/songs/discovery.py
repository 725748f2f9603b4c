"""From a folder to a song: which files are stems, what belongs together, what is wrong: from headers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixcli.audio.files import AudioInfo, check_channels, read_info
from mixcli.audio.wording import display_name, printable
from mixcli.errors import Notice, SongError
from mixcli.songs.header_checks import (
    Alignment,
    align_stems,
    check_formats,
    check_lengths,
    check_rates,
    check_roles,
)
from mixcli.songs.listing import Listing, path_key, song_name
from mixcli.songs.naming import join_errors, quoted, quoted_list
from mixcli.songs.pairs import find_pairs
from mixcli.songs.patterns import files_meant, files_meant_by_any
from mixcli.songs.roles import RoleMatch, check_role, match_role, override_roles
from mixcli.songs.song import Excluded, Song, Stem
from mixcli.songs.song_folder import find_song_folder
from mixcli.songs.tokens import common_words, split_words, strip_suffix


@dataclass(frozen=True, kw_only=True)
class DiscoveryOptions:
    """What the user may say about the files of a song.

    `include` and `exclude` are names of files, or patterns (* ? []), as `files_meant` takes them; `roles` are
    (name or pattern, role) in the order given, of which the last that fits wins. `align` says what start
    times in files mean. Raises SettingsError E405 for a role that does not exist.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    recursive: bool = False
    roles: tuple[tuple[str, str], ...] = ()
    align: Alignment = "auto"
    pair: bool = True
    downmix: bool = False
    allow_single: bool = False
    keep_click: bool = False
    skip_bad: bool = False

    def __post_init__(self) -> None:
        for _, role in self.roles:
            check_role(role)


def read_song(folder: Path, options: DiscoveryOptions = DiscoveryOptions()) -> Song:
    """Find the stems of a song, their roles and their faults; opens headers only and writes nothing.

    Names of stems are paths inside `folder`, sorted naturally. Raises SongError: E301 no such folder, E302 a
    file, E303 no audio, E304 stems in subfolders, E305 a library, E307 a single stem; and E311 to E316 for
    broken files, all of them in one error.
    """
    found = find_song_folder(folder, recursive=options.recursive, allow_single=options.allow_single)
    paths = {path.relative_to(folder).as_posix(): path for path in found.listing.audio}
    above = {path.relative_to(folder).as_posix(): path for path in found.above}
    chosen = _choose(list(paths), options)
    excluded = [
        Excluded(name=name, why="option", detail="left out by an option") for name in paths.keys() - chosen
    ]

    roles = _match_roles(chosen, override_roles(list(paths), options.roles))
    clicks, mixes = _utilities(roles, options)
    excluded += [Excluded(name=name, why="click", detail="a click or guide by its name") for name in clicks]
    excluded += [Excluded(name=name, why="mix", detail="a mix by its name") for name in mixes]
    excluded += [Excluded(name=name, why="mix", detail="beside the folder of stems") for name in above]
    left = {name: paths[name] for name in mixes} | above
    reference = _best_reference(list(left.values()))

    wanted = {name: paths[name] for name in chosen if name not in {*clicks, *mixes}}
    infos, errors = _read_headers(wanted, options)
    if errors and not options.skip_bad:
        raise join_errors(list(errors.values()))
    excluded += [Excluded(name=name, why="broken", detail=error.message) for name, error in errors.items()]

    pairs = find_pairs(infos) if options.pair else {}
    stems = _make_stems(infos, roles, pairs)
    _check_number(folder, stems, excluded, options)
    stems, aligned = align_stems(stems, options.align)
    return Song(
        name=song_name(folder),
        folder=folder,
        stems=stems,
        excluded=tuple(sorted(excluded, key=lambda one: path_key(one.name))),
        reference=reference,
        notices=(
            *_ignored_notices(found.listing),
            *found.notices,
            *_unmatched_notices([*paths, *above], options),
            *_excluded_notices(clicks, left, reference),
            *(
                Notice(f"W{error.code[1:]}", f"left out: {error.message}", name)
                for name, error in errors.items()
            ),
            *(
                Notice("I303", f"{quoted(a)} and {quoted(b)} are one stereo stem.", a)
                for a, b in pairs.items()
            ),
            *aligned,
            *check_rates(stems),
            *check_lengths(stems),
            *check_formats(stems),
            *check_roles(stems),
        ),
    )


def _choose(names: Sequence[str], options: DiscoveryOptions) -> list[str]:
    included = files_meant_by_any(options.include, names) if options.include else set(names)
    left = included - files_meant_by_any(options.exclude, names)
    return [name for name in names if name in left]


def _match_roles(names: Sequence[str], overrides: Mapping[str, str]) -> dict[str, RoleMatch]:
    """The role of every file: the one the user gives it, or else by its name and its folders."""
    file_names = {name: name.rsplit("/", 1)[-1] for name in names}
    common = common_words(list(file_names.values()))
    times = Counter(strip_suffix(file_name).casefold() for file_name in file_names.values())
    roles = {}
    for name, file_name in file_names.items():
        told_apart = times[strip_suffix(file_name).casefold()] == 1
        match = match_role(file_name, name.split("/")[:-1], common, name_says=told_apart)
        if not told_apart and match.role_from == "none":
            match = match_role(file_name, (), common)  # the folders say nothing either: takes of one thing
        wanted = overrides.get(name)
        roles[name] = (
            match
            if wanted is None
            else RoleMatch(role=wanted, role_from="option", attributes=match.attributes)
        )
    return roles


def _utilities(roles: Mapping[str, RoleMatch], options: DiscoveryOptions) -> tuple[list[str], list[str]]:
    """The files that are clicks and guides, and those that are mixes, by their roles."""
    clicks = [name for name, match in roles.items() if match.role == "util.click" and not options.keep_click]
    return clicks, [name for name, match in roles.items() if match.role == "util.mix"]


def _best_reference(mixes: Sequence[Path]) -> Path | None:
    """The mix to compare with: the first one that is not called rough or preview, else the first."""
    unfinished = {"rough", "preview", "ref"}
    return min(mixes, key=lambda path: bool(unfinished & set(split_words(path.name))), default=None)


def _read_headers(
    paths: Mapping[str, Path], options: DiscoveryOptions
) -> tuple[dict[str, AudioInfo], dict[str, SongError]]:
    infos: dict[str, AudioInfo] = {}
    errors: dict[str, SongError] = {}
    for name, path in paths.items():
        try:
            info = read_info(path)
            check_channels(info, downmix=options.downmix)
        except SongError as error:
            errors[name] = error
        else:
            infos[name] = info
    return infos, errors


def _make_stems(
    infos: Mapping[str, AudioInfo], roles: Mapping[str, RoleMatch], pairs: Mapping[str, str]
) -> tuple[Stem, ...]:
    stems = []
    for name in sorted(infos.keys() - pairs.values(), key=path_key):
        files = (infos[name], infos[pairs[name]]) if name in pairs else (infos[name],)
        match = roles[name]
        attributes = {
            key: text for key, text in match.attributes.items() if name not in pairs or key != "side"
        }
        stems.append(
            Stem(name=name, files=files, role=match.role, role_from=match.role_from, attributes=attributes)
        )
    return tuple(stems)


def _check_number(
    folder: Path, stems: Sequence[Stem], excluded: Sequence[Excluded], options: DiscoveryOptions
) -> None:
    if not stems:
        names = quoted_list(sorted((one.name for one in excluded), key=path_key))
        message = f'no stems in "{display_name(folder)}"; left out: {names}.'
        raise SongError(
            message, code="E303", hint='see --include and --exclude, or give a role: --role "NAME=ROLE".'
        )
    if len(stems) == 1 and not options.allow_single:
        raise SongError(
            f"only one stem ({quoted(stems[0].name)}).",
            code="E307",
            hint="--allow-single, or check --exclude.",
        )


def _ignored_notices(listing: Listing) -> list[Notice]:
    n_ignored = sum(listing.ignored.values())
    if not n_ignored:
        return []
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(listing.ignored.items()))
    return [Notice("I301", f"{n_ignored} {'file is' if n_ignored == 1 else 'files are'} ignored: {kinds}.")]


def _unmatched_notices(names: Sequence[str], options: DiscoveryOptions) -> list[Notice]:
    """W327 for every word of the user's that means no file, among all that were found."""
    words = [("--include", word) for word in options.include]
    words += [("--exclude", word) for word in options.exclude]
    words += [("--role", word) for word, _ in options.roles]
    return [
        Notice("W327", f'{option} "{printable(word)}" matches no file.')
        for option, word in words
        if not files_meant(word, names)
    ]


def _excluded_notices(
    clicks: Sequence[str], mixes: Mapping[str, Path], reference: Path | None
) -> list[Notice]:
    notices = [Notice("I304", f"{quoted(name)} is a click or guide; left out.", name) for name in clicks]
    for name, path in mixes.items():
        kept = "kept as the reference" if path == reference else "left out"
        notices.append(Notice("W325", f"{quoted(name)} is a mix, not a stem; {kept}.", name))
    return notices

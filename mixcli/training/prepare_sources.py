"""All songs of all sources with the parts they are used for, before anything is decoded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.models.settings import ModelSettings, split_input
from mixcli.songs.dataset_layouts import find_layout, read_dataset
from mixcli.songs.dataset_song import DatasetSong, Part, RefusedSong
from mixcli.songs.patterns import files_meant, files_meant_by_any
from mixcli.synthesis.sessions import SessionPlan, is_source, read_source, session_plans
from mixcli.training.prepare_options import DataOptions
from mixcli.training.split import SplitSong, shared_groups, split_songs


@dataclass(frozen=True, kw_only=True)
class SourceSong:
    """A song that can be prepared: found in a data set, or a session that will be rendered.

    `name` is unique over all sources; `variant` counts from 1 where a song is un-mixed, and is 0 otherwise.
    """

    name: str
    source: str
    group: str
    part: Part
    made_of: DatasetSong | SessionPlan
    variant: int = 0

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        made_of = self.made_of
        if isinstance(made_of, SessionPlan):
            return made_of.n_samples / made_of.sample_rate
        return made_of.duration_s


@dataclass(frozen=True, kw_only=True)
class FoundSources:
    """What all sources hold, in order. `layouts` has one per source, `problems` are those of the whole."""

    items: tuple[SourceSong | RefusedSong, ...]
    layouts: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def songs(self) -> tuple[SourceSong, ...]:
        """The songs that are not refused."""
        return tuple(item for item in self.items if isinstance(item, SourceSong))


def find_sources(
    sources: Sequence[str], options: DataOptions, model: ModelSettings | None = None
) -> FoundSources:
    """Read the headers of all sources and decide the part of every song.

    Raises SongError E301, E371, E372 for a source that cannot be used at all, SettingsError E427 for a list.
    """
    items: list[SourceSong | RefusedSong] = []
    layouts: list[str] = []
    names: set[str] = set()
    for source in sources:
        layout, found = _read_source(source, options)
        layouts.append(layout)
        n_before = len(items)
        for item in found:
            name = _unique(item.name, names)
            if isinstance(item, RefusedSong):
                items.append(RefusedSong(name, item.reason))
                continue
            reason = _refusal(item, layout, options, model)
            if reason is not None:
                items.append(RefusedSong(name, reason))
                continue
            items.append(SourceSong(name=name, source=source, group=item.group, part="train", made_of=item))
        if not any(isinstance(item, SourceSong) for item in items[n_before:]):
            _refuse_empty(source, layout, items[n_before:])
    items, problems = _choose(items, options)
    parts = _split(items, options)
    problems += _shared_words(items, parts)
    placed = [
        item if isinstance(item, RefusedSong) else replace(item, part=parts[item.name]) for item in items
    ]
    return FoundSources(
        items=tuple(_with_variants(placed, options)), layouts=tuple(layouts), problems=tuple(problems)
    )


def _read_source(
    source: str, options: DataOptions
) -> tuple[str, Iterable[DatasetSong | RefusedSong | SessionPlan]]:
    if is_source(source):
        return source.partition("=")[0], session_plans(read_source(source))
    path = Path(source)
    layout = find_layout(path)
    if options.layout != "auto" and layout != "manifest":
        layout = options.layout
    return layout, read_dataset(path, layout, drums=options.drums, medleydb=options.medleydb)


def _unique(name: str, names: set[str]) -> str:
    unique, number = name, 2
    while unique in names:
        unique, number = f"{name} ({number})", number + 1
    names.add(unique)
    return unique


def _refusal(
    song: DatasetSong | SessionPlan, layout: str, options: DataOptions, model: ModelSettings | None
) -> str | None:
    """Why a song is not used, from its headers alone; None where it is."""
    seconds = song.n_samples / song.sample_rate if isinstance(song, SessionPlan) else song.duration_s
    if seconds < options.shortest_s:
        return f"{seconds:.1f} s long; the shortest is {options.shortest_s:g} s."
    if isinstance(song, SessionPlan):
        return None
    if song.caution is not None and not options.equal_loudness and options.layout != layout:
        return f"{song.caution}: no example to learn mixing from (--layout {layout} takes it)."
    if song.mix is None and layout == "songs" and not options.wet_stems:
        return "no mix beside the stems (--wet-stems learns from the sum of finished stems)."
    if model is not None and not model.takes_buses:
        known = {split_input(name)[0] for name in model.inputs}
        strangers = [stem.role for stem in song.stems if stem.role not in known and stem.role_from != "none"]
        if strangers:
            return f"the network has no input for {', '.join(dict.fromkeys(strangers))}."
    return None


def _refuse_empty(source: str, layout: str, items: Sequence[SourceSong | RefusedSong]) -> None:
    refused = [item for item in items if isinstance(item, RefusedSong)]
    where = f'"{display_name(Path(source))}"' if not is_source(source) else f'"{source}"'
    if not refused:
        hint = "a folder of song folders, a known data set, or a manifest."
        raise SongError(f"no songs in {where} (read as {layout}).", code="E371", hint=hint)
    first = refused[-1]
    message = f'no song of {where} can be used (read as {layout}); "{first.name}": {first.reason}'
    raise SongError(message, code="E371", hint="see the reasons with train -n on the songs that can.")


def _choose(
    items: list[SourceSong | RefusedSong], options: DataOptions
) -> tuple[list[SourceSong | RefusedSong], list[str]]:
    """What `include`, `exclude` and `most_songs` leave; songs that were not asked for are not spoken of."""
    names = [item.name for item in items]
    problems = [
        f'"{word}" fits no song.'
        for word in (*options.include, *options.exclude)
        if not files_meant(word, names)
    ]
    wanted = files_meant_by_any(options.include, names) if options.include else set(names)
    wanted -= files_meant_by_any(options.exclude, names)
    chosen = [item for item in items if item.name in wanted]
    songs = [item for item in chosen if isinstance(item, SourceSong)]
    if not songs:
        raise SongError("none of the songs is left.", code="E371", hint="see --include and --exclude.")
    if options.most_songs is not None:
        kept = {song.name for song in songs[: options.most_songs]}
        chosen = [item for item in chosen if isinstance(item, RefusedSong) or item.name in kept]
    return chosen, problems


def _split_entries(items: Sequence[SourceSong | RefusedSong]) -> list[SplitSong]:
    return [
        SplitSong(name=item.name, group=item.group, duration_s=item.duration_s, part=item.made_of.part)
        for item in items
        if isinstance(item, SourceSong)
    ]


def _split(items: Sequence[SourceSong | RefusedSong], options: DataOptions) -> dict[str, Part]:
    return split_songs(
        _split_entries(items),
        validation=options.validation,
        test=options.test,
        seed=options.seed,
        published_parts=options.published_parts,
        leave_out=options.leave_out,
    )


def _shared_words(items: Sequence[SourceSong | RefusedSong], parts: dict[str, Part]) -> list[str]:
    shared = shared_groups(_split_entries(items), parts)
    listed = [f'"{group}" ({", ".join(those)})' for group, those in sorted(shared.items())]
    if not listed:
        return []
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return [f"in several parts, as listed or published: {', '.join(listed[:5])}{more}."]


def _with_variants(
    items: Sequence[SourceSong | RefusedSong], options: DataOptions
) -> Iterable[SourceSong | RefusedSong]:
    """Several un-mixed variants of each song to learn from, one of those that judge."""
    for item in items:
        if not options.wet_stems or isinstance(item, RefusedSong) or isinstance(item.made_of, SessionPlan):
            yield item
            continue
        n_variants = options.unmix.variants if item.part == "train" else 1
        for variant in range(1, n_variants + 1):
            yield replace(item, name=f"{item.name}~{variant}", variant=variant)

"""What a data set holds, from headers alone: the answer to `train -n`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixcli.models.settings import ModelSettings
from mixcli.songs.dataset_song import Part, RefusedSong
from mixcli.synthesis.sessions import SessionPlan
from mixcli.training.prepare_dataset import cache_size
from mixcli.training.prepare_options import DataOptions
from mixcli.training.prepare_sources import SourceSong, find_sources

SCHEMA = "mixcli.census/1"
PARTS: tuple[Part, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class CensusSong:
    """One song: what it is called, where it will be used, what it has, and what is odd about it.

    `mix` is the name of its mix, None where the sum of its stems is the target.
    """

    name: str
    group: str
    part: Part
    source: str
    duration_s: float
    n_stems: int
    roles: Mapping[str, int]
    mix: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Census:
    """All songs of all sources, with their parts, and those that are refused.

    `layouts` are those of the sources, in their order. `cache_bytes` is what the prepared songs will take,
    None without a model. `problems` are those of the whole.
    """

    sources: tuple[str, ...]
    layouts: tuple[str, ...]
    songs: tuple[CensusSong, ...]
    refused: tuple[RefusedSong, ...]
    problems: tuple[str, ...]
    cache_bytes: int | None = None

    def hours(self, part: Part | None = None) -> float:
        """Hours of sound of all songs, or of those of one part."""
        return sum(song.duration_s for song in self.songs if part in (None, song.part)) / 3600

    @property
    def roles(self) -> dict[str, int]:
        """How many stems there are of each role, by role."""
        total: Counter[str] = Counter()
        for song in self.songs:
            total.update(song.roles)
        return dict(sorted(total.items()))


def census(
    sources: Sequence[str], options: DataOptions | None = None, model: ModelSettings | None = None
) -> Census:
    """Find all songs of all sources, decide their parts, and say what is wrong; nothing is decoded.

    With a model, songs that it has no inputs for are refused, and the size of the cache is told. Raises what
    `prepare_dataset` raises for a source or a list that cannot be used at all.
    """
    chosen = options or DataOptions()
    found = find_sources(sources, chosen, model)
    parts = {song.part for song in found.songs}
    missing = [f"no song is left for {part}." for part in ("train", "validation") if part not in parts]
    return Census(
        sources=tuple(sources),
        layouts=found.layouts,
        songs=tuple(_census_song(song, chosen) for song in found.songs),
        refused=tuple(item for item in found.items if isinstance(item, RefusedSong)),
        problems=(*found.problems, *missing),
        cache_bytes=None if model is None else cache_size(found.songs, model, chosen),
    )


def census_document(found: Census) -> dict[str, Any]:
    """The census as JSON: totals by part, songs, refused ones."""
    return {
        "schema": SCHEMA,
        "sources": [
            {"source": source, "layout": layout}
            for source, layout in zip(found.sources, found.layouts, strict=True)
        ],
        "parts": {
            part: {
                "songs": sum(song.part == part for song in found.songs),
                "groups": len({song.group for song in found.songs if song.part == part}),
                "hours": round(found.hours(part), 4),
            }
            for part in PARTS
        },
        "hours": round(found.hours(), 4),
        "roles": found.roles,
        "cache_bytes": found.cache_bytes,
        "problems": list(found.problems),
        "songs": [
            {
                "name": song.name,
                "group": song.group,
                "part": song.part,
                "source": song.source,
                "duration_s": round(song.duration_s, 3),
                "stems": song.n_stems,
                "roles": dict(song.roles),
                "mix": song.mix,
                "problems": list(song.problems),
            }
            for song in found.songs
        ],
        "refused": [{"name": song.name, "reason": song.reason} for song in found.refused],
    }


def _census_song(song: SourceSong, options: DataOptions) -> CensusSong:
    made_of = song.made_of
    problems: tuple[str, ...] = ()
    roles: dict[str, int] = {}
    mix: str | None = "rendered"
    if not isinstance(made_of, SessionPlan):
        mix = None if options.wet_stems or made_of.mix is None else made_of.mix.name
        problems = made_of.problems
        roles = dict(sorted(Counter(stem.role for stem in made_of.stems).items()))
        n_nameless = sum(stem.role_from == "none" for stem in made_of.stems)
        if n_nameless:
            problems += (f"{n_nameless} of {len(made_of.stems)} stems have no role by name",)
    return CensusSong(
        name=song.name,
        group=song.group,
        part=song.part,
        source=song.source,
        duration_s=song.duration_s,
        n_stems=sum(roles.values()),
        roles=roles,
        mix=mix,
        problems=problems,
    )

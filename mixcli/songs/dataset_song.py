"""What the reader of a data set gives: songs from headers alone, or the reason why one cannot be used."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mixcli.songs.song import Song, Stem

Part = Literal["train", "validation", "test"]
DatasetLayout = Literal[
    "songs", "medleydb", "enst", "musdb18", "dsd100", "cambridge", "slakh2100", "moisesdb", "manifest"
]


@dataclass(frozen=True, kw_only=True)
class DatasetSong:
    """A song of a data set, read from headers.

    `name` is unique in its source; `group` (artist, drummer) is what may not lie on both sides of a split;
    `part` is the one its data set publishes, None where it publishes none. `folder` is above all stems. `mix`
    is the mix that goes with them, None where the sum of the stems is meant. `caution` says why the mix is no
    example of mixing. `problems` are what was odd and still can be used.
    """

    name: str
    group: str
    part: Part | None = None
    folder: Path
    stems: tuple[Stem, ...]
    mix: Path | None
    caution: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def song(self) -> Song:
        """The stems as mixing takes them."""
        return Song(name=self.name, folder=self.folder, stems=self.stems, reference=self.mix)

    @property
    def duration_s(self) -> float:
        """The longest stem, in seconds."""
        return max((stem.duration_s for stem in self.stems), default=0.0)


@dataclass(frozen=True)
class RefusedSong:
    """A song that is not trained on, and why, in a sentence."""

    name: str
    reason: str


FoundSongs = Iterator[DatasetSong | RefusedSong]

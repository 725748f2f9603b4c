"""What a caller asks of one evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mixcli.settings import DEFAULT_PRESET
from mixcli.songs.discovery import DiscoveryOptions

Kind = Literal["own", "given", "baseline"]
CONSOLE = "console"  # the baseline that mixcli mixes itself, without any network


@dataclass(frozen=True, kw_only=True)
class System:
    """One column of the comparison: mixes that mixcli makes (own), that lie somewhere (given), or a baseline.

    `place` is the folder of given mixes, or a pattern with `{song}`; `settings` are those of own mixes.
    """

    name: str
    kind: Kind
    place: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_mixed(self) -> bool:
        """Whether mixcli mixes it from the song's stems."""
        return self.kind == "own" or self.name == CONSOLE


@dataclass(frozen=True, kw_only=True)
class EvalRequest:
    """A library of songs, or a folder of finished mixes, and what they are compared with.

    `against` holds the references where they do not lie in the songs. `parts` (a folder in which songs are
    looked up, or a pattern with `{song}`) holds stems to measure the balance on instead of the song's own.
    `recipe` is a recipe file for own mixes, or a pattern. `out` keeps mixes, excerpts and scores.
    """

    library: Path
    systems: tuple[System, ...]
    against: Path | None = None
    parts: str | None = None
    recipe: str | None = None
    presets: tuple[str, ...] = (DEFAULT_PRESET,)
    discovery: DiscoveryOptions = field(default_factory=DiscoveryOptions)
    repair: bool = False  # read samples that are not finite as silence
    out: Path | None = None
    labels: Path | None = None
    seed: int = 0

"""What a caller asks of one mix."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mixcli.console.variants import Variant
from mixcli.settings import DEFAULT_PRESET
from mixcli.songs.discovery import DiscoveryOptions

IfExists = Literal["error", "skip", "overwrite", "number"]
Terms = Literal["none", "stems", "buses"]
Progress = Callable[[str, float, float], None]  # stage, seconds of audio done, seconds in all


@dataclass(frozen=True, kw_only=True)
class ConsoleMoves:
    """Changes to the console by role, family, bus or stem name, on top of rules or recipe."""

    gains_db: Mapping[str, float] = field(default_factory=dict)
    pans: Mapping[str, float] = field(default_factory=dict)
    mutes: tuple[str, ...] = ()
    solos: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MixRequest:
    """One song, where its mix goes, and what was asked for.

    `settings` holds what was asked for by name (options, `--set`, presets named on the command line); what
    is not in it comes from the recipe, if one is given, and then from `presets`, of which each sets the keys
    it names. `rules` is what was asked of the rules beside the presets. `variant` says which of several mixes
    of the song this is. `start_s` and `duration_s` cut a preview out of the song.
    """

    folder: Path
    out: Path | None = None
    name_template: str = "{song}"
    if_exists: IfExists = "error"
    presets: tuple[str, ...] = (DEFAULT_PRESET,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)
    variant: Variant | None = None
    discovery: DiscoveryOptions = field(default_factory=DiscoveryOptions)
    repair: bool = False  # read samples that are not finite as silence
    recipe: Path | None = None
    moves: ConsoleMoves = field(default_factory=ConsoleMoves)
    terms: Terms = "none"
    start_s: float = 0.0
    duration_s: float | None = None
    strict: bool = False
    device: str = "cpu"  # of the network; another one rounds in another way
    processes: int = 1  # of a long song, to read its stems and run their strips; changes no sample

    @property
    def preset(self) -> str:
        """The presets in one word: "rock+apple"."""
        return "+".join(self.presets)

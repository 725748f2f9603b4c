"""How electronic a song is, from what its stems are: drums and bass are set higher in such music."""

from collections.abc import Sequence

from mixcli.console.sources import Source
from mixcli.songs.roles import family_of

ELECTRONIC_ROLES = frozenset({"bass.synth", "drums.kit", "drums.clap", "fx.sfx", "fx.return"})


def how_electronic(sources: Sequence[Source]) -> float:
    """The share, 0 to 1, of the sources but for voices that are synthesisers, loops or effects."""
    heard = [source for source in sources if family_of(source.role) not in ("vox", "util")]
    if not heard:
        return 0.0
    electronic = [s for s in heard if family_of(s.role) == "synth" or s.role in ELECTRONIC_ROLES]
    return len(electronic) / len(heard)

"""What a caller asks of a batch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mixcli.batching.shards import Shard
from mixcli.mixing.request import MixRequest

Only = Literal["rest", "new", "failed", "stale", "all"]
Check = Literal["quick", "content"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When to start no further song; songs in hand are finished. None: never."""

    songs: int | None = None
    seconds: float | None = None
    failures: int | None = None


@dataclass(frozen=True, kw_only=True)
class BatchRequest:
    """Where songs are looked for, where their mixes go, and which of them are made.

    `places` are folders, patterns and files that list folders. `every` says what is asked of each song; its
    folder and output are those of no song. `only` is "rest" for all that is not done yet. Songs
    that changed less than `settle_s` ago are left for later. A `shard` is the share of this run. With `album`
    the songs of each folder get one gain. Songs are mixed by processes of this machine, or by the Dask
    cluster of a `scheduler` (its address, or its file).
    """

    places: tuple[Path, ...]
    out: Path
    every: MixRequest
    only: Only = "rest"
    check: Check = "quick"
    limits: Limits = field(default_factory=Limits)
    settle_s: float = 0.0
    shard: Shard | None = None
    album: bool = False
    scheduler: str | None = None

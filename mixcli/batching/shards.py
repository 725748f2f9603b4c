"""A library in shares, each mixed by a run of its own: on the nodes of a cluster, or side by side."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mixcli.batching.manifest import NAME, Manifest
from mixcli.mixing.folder_lock import FolderLock, refuse_if_held, refuse_if_shares_held

WHO = "mixcli batch"
SHARE_NAME = re.compile(r"manifest\.(\d+)-of-(\d+)\.jsonl")


@dataclass(frozen=True)
class Shard:
    """Share `index` (from 1) of `count`."""

    index: int
    count: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.index}-of-{self.count}"

    @property
    def manifest_name(self) -> str:
        """The journal of the share: every run writes into its own."""
        return f"manifest.{self.name}.jsonl"


def share_of(lengths_s: Sequence[float], names: Sequence[str], shard: Shard) -> list[int]:
    """The songs of one share, in their order, by the lengths and the names of all.

    The longest song goes first, always to the share with the fewest seconds of audio so far; so no share has
    more than the mean and one song (Graham, "Bounds on multiprocessing timing anomalies", 1969). It follows
    from names and lengths alone, not from what is done already: every run over the same library divides it
    alike.
    """
    order = sorted(range(len(names)), key=lambda index: (-lengths_s[index], names[index]))
    filled_s = [0.0] * shard.count
    chosen = []
    for index in order:
        share = filled_s.index(min(filled_s))
        filled_s[share] += lengths_s[index]
        if share == shard.index - 1:
            chosen.append(index)
    return sorted(chosen)


@contextmanager
def hold_output(out: Path, shard: Shard | None) -> Iterator[None]:
    """Hold the output folder of a batch, or a share of it; shares go together, the whole with none.

    Raises OutputError E509 where another run has it.
    """
    with FolderLock(out, WHO, share="" if shard is None else f"share-{shard.name}"):
        # Each looks after it has taken its own lock: of two at once, one at least sees the other.
        if shard is None:
            refuse_if_shares_held(out)
        else:
            refuse_if_held(out)
        yield


def known_manifest(out: Path, shard: Shard | None) -> Manifest:
    """The journal of the whole, or of a share, that knows what the others say."""
    own = NAME if shard is None else shard.manifest_name
    return Manifest(out / own, others=other_manifests(out, own))


def other_manifests(out: Path, own: str) -> list[Path]:
    """The journals in an output folder but one's own: of the whole, and of the shares."""
    paths = [out / NAME, *sorted(path for path in out.glob("manifest.*.jsonl") if is_share(path))]
    return [path for path in paths if path.name != own and path.is_file()]


def is_share(path: Path) -> bool:
    """Whether a file is called as the journal of a share."""
    return SHARE_NAME.fullmatch(path.name) is not None


def merge_shares(out: Path, others: Sequence[Path] = ()) -> tuple[Manifest, int]:
    """Take the journals of all shares, and `others`, into the one of the whole; those of the shares go.

    Returns it, and how many mixes were new to it. The caller holds the folder. Raises OutputError.
    """
    shares = other_manifests(out, NAME)
    manifest = Manifest(out / NAME, others=[*shares, *others])
    n_new = manifest.take_over()
    for path in shares:
        with suppress(OSError):
            path.unlink()
    return manifest, n_new

"""What a song is: its stems as found on disk, and what was left out and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mixcli.audio.files import AudioInfo
from mixcli.errors import Notice

RoleSource = Literal["option", "folder", "name", "sound", "recipe", "none"]


@dataclass(frozen=True, kw_only=True)
class Stem:
    """One input recording: a mono or stereo file, or a left and a right mono file that belong together.

    `name` is the file's path inside the song folder, with "/", and is unique in the song ("Drums/Kick.wav");
    a joined pair has the left file's name. `attributes` are the words of stems-and-delivery 2.4: side, mic,
    take, double, wet, section, fx. `offset` is the silence before the file, in samples at its own rate (files
    that carry different start times).
    """

    name: str
    files: tuple[AudioInfo, ...]
    role: str
    role_from: RoleSource
    attributes: Mapping[str, str] = field(default_factory=dict)
    offset: int = 0

    @property
    def sample_rate(self) -> int:
        """Samples per second of the file."""
        return self.files[0].sample_rate

    @property
    def n_samples(self) -> int:
        """Length in samples at the file's own rate, with the silence before it."""
        return self.offset + max(file.n_samples for file in self.files)

    @property
    def n_channels(self) -> int:
        """1 or 2: a pair of mono files is a stereo stem."""
        return 2 if len(self.files) == 2 else min(self.files[0].n_channels, 2)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A file of the song folder that is audio but not mixed. `why` is a word, `detail` a sentence."""

    name: str
    why: Literal["mix", "click", "silent", "copy", "bounce", "option", "broken"]
    detail: str


@dataclass(frozen=True, kw_only=True)
class Song:
    """A folder of stems, read from the headers alone."""

    name: str
    folder: Path
    stems: tuple[Stem, ...]
    excluded: tuple[Excluded, ...] = ()
    reference: Path | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def duration_s(self) -> float:
        """The longest stem, in seconds."""
        return max((stem.duration_s for stem in self.stems), default=0.0)

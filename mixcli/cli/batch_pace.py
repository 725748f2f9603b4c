"""How far a batch is, and how long it will take at the speed that was measured."""

import time
from dataclasses import dataclass, field

from mixcli.batching.plan import BatchPlan
from mixcli.batching.run import SongBegan, SongEnded


@dataclass(kw_only=True)
class Pace:
    """Counts of a batch under way; seconds are of audio, but for those of the clock."""

    n_songs: int
    total_s: float
    n_ended: int = 0
    n_failed: int = 0
    mixed_s: float = 0.0
    given_up_s: float = 0.0  # of songs that failed: neither done nor to be done
    began_at: float | None = field(default=None)

    @classmethod
    def of(cls, plan: BatchPlan) -> "Pace":
        """The pace of a batch that has not begun."""
        wanted = [plan.songs[index] for index in plan.wanted]
        return cls(n_songs=len(wanted), total_s=sum(song.duration_s or 0.0 for song in wanted))

    def began(self, _event: SongBegan) -> None:
        """The clock runs from the first song on."""
        if self.began_at is None:
            self.began_at = time.monotonic()

    def ended(self, event: SongEnded, duration_s: float) -> None:
        """Count a song that was tried."""
        if event.status == "skipped":
            return
        self.n_ended += 1
        if event.status == "ok":
            self.mixed_s += duration_s
        else:
            self.n_failed += 1
            self.given_up_s += duration_s

    @property
    def done_s(self) -> float:
        """Seconds of audio behind us."""
        return self.mixed_s + self.given_up_s

    @property
    def left_s(self) -> float | None:
        """Seconds by the clock until all is done; None before the first song is mixed."""
        if self.began_at is None or self.mixed_s <= 0:
            return None
        speed = self.mixed_s / max(time.monotonic() - self.began_at, 1e-3)
        return (self.total_s - self.done_s) / speed

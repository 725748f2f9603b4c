"""What is asked of a training, and what it tells on its way."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixcli.errors import Notice
from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class TrainRequest:
    """A training: what network, how, and where the run is kept.

    `resume` is a checkpoint to go on from, `init` a model whose weights are the first ones. `device` is a
    name of torch's; `precision` "bf16" computes the network in 16-bit floats where it can. `workers` threads
    read batches ahead. `save_every` saves between epochs too, after so many steps. `deadline` is when to
    stop, on the clock of `time.monotonic`. `sources` are only written down.
    """

    out: Path
    model: ModelSettings
    settings: TrainSettings
    resume: Path | None = None
    init: Path | str | None = None
    device: str = "auto"
    precision: str = "f32"
    compile: bool = False
    workers: int = 1
    save_every: int | None = None
    deadline: float | None = None
    tensorboard: bool = False
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scores:
    """A validation: means over its songs, but for the medians of SI-SDR. None where nothing can be said."""

    loss: float
    si_sdr_db: float | None
    stft: float
    n_songs: int

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {"loss": self.loss, "si_sdr_db": self.si_sdr_db, "stft": self.stft, "songs": self.n_songs}


@dataclass(frozen=True, kw_only=True)
class Began:
    """The network stands; `step` is 0, or where an earlier run stopped.

    `console` are the scores of the console alone, for a network behind it: what there is to better.
    """

    step: int
    total_steps: int
    n_parameters: int
    device: str
    linear_start: bool
    console: Scores | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """A step was taken: the number of steps so far, what the batch had lost before it, and its size."""

    step: int
    epoch: int
    loss: float
    lr: float
    gradient: float


@dataclass(frozen=True, kw_only=True)
class Validated:
    """An epoch is over, or none has begun (step 0). `best` says that there was none better before."""

    step: int
    epoch: int
    scores: Scores | None
    best: bool


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The run is over, all files are written. `why` is "steps", "patience", "time" or "stop"."""

    why: str
    step: int
    model: Path
    best_step: int
    best: Scores | None


Event = Began | Stepped | Validated | Ended

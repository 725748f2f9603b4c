"""What a training leaves behind, whole at any time: settings, songs, a log, checkpoints, a model, samples."""

import csv
import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
import yaml

from mixcli import __version__
from mixcli.audio.output import atomic_output
from mixcli.models.checkpoint import load_model, save_model
from mixcli.models.familiarity import Familiarity
from mixcli.models.model_file import Limits
from mixcli.models.network import Network
from mixcli.training.checkpoints import fingerprint, save_weights
from mixcli.training.curve import write_curve
from mixcli.training.heard import learn_familiarity
from mixcli.training.limits import learn_limits
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.request import Stepped, TrainRequest, Validated
from mixcli.training.samples import write_samples
from mixcli.training.state import State
from mixcli.training.tensorboard import Board, open_board
from mixcli.training.validation import Validator

COLUMNS = ("step", "epoch", "lr", "loss", "gradient", "val_loss", "val_si_sdr_db", "val_stft", "best")
COUNTED = COLUMNS[:2]  # whole numbers, which may have more digits than are shown of others
LOG_EVERY = 50  # steps
N_HASHED, HASHED = 16, 1024  # blocks of a song that its hash is of, and their samples

Row = dict[str, Any]


class RunFolder:
    """Writes a run's files, for the first of several processes; for the others it does nothing."""

    def __init__(
        self, request: TrainRequest, songs: Sequence[PreparedSong], validator: Validator, *, writes: bool
    ) -> None:
        self.path = request.out
        self.model_path = self.path / "model"
        self._request, self._songs, self._validator, self._writes = request, songs, validator, writes
        self._rows: list[Row] = []
        self._losses: list[float] = []
        self._familiarity: Familiarity | None = None
        self._limits: Limits | None = None
        self._board: Board | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self._writes and self._request.tensorboard:
            self._board = self._open.enter_context(open_board(self.path / "tensorboard"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def begin(self, state: State) -> None:
        """Write settings and songs; the log goes on after the state's step, and loses what came later.

        A run that goes on from another folder takes the best weights there with it.
        """
        if not self._writes:
            return
        self._familiarity = learn_familiarity(self._songs, self._request.model)
        self._limits = learn_limits(self._songs, self._request.model)
        step = state.progress.step
        if step:
            self._adopt_best(state)
        write_text(self.path / "config.yaml", config_text(self._request))
        write_text(self.path / "data.json", json_text(data_document(self._songs, self._request.sources)))
        self._rows = [row for row in read_log(self.path / "log.csv") if int(row["step"]) <= step]
        if step == 0:
            self._rows = []
        self._write_log()

    def log_step(self, stepped: Stepped) -> None:
        """Note a step; every LOG_EVERY steps the mean loss becomes a line of the log."""
        if not self._writes:
            return
        self._losses.append(stepped.loss)
        if self._board is not None:
            self._board.step(stepped)
        if stepped.step % LOG_EVERY == 0:
            self._rows.append(self._row(stepped.step, stepped.epoch, stepped.lr, stepped.gradient))
            if len(self._rows) % 20 == 0:
                self._write_log()

    def log_validation(self, validated: Validated, lr: float) -> None:
        """Write a line with the scores, and the curve."""
        if not self._writes:
            return
        if self._rows and self._rows[-1]["step"] == validated.step:
            row = self._rows.pop()  # the line that the step itself has left
        else:
            row = self._row(validated.step, validated.epoch, lr, None)
        if validated.scores is not None:
            scores = validated.scores
            row |= {"val_loss": scores.loss, "val_si_sdr_db": scores.si_sdr_db, "val_stft": scores.stft}
        self._rows.append(row | {"best": int(validated.best)})
        self._write_log()
        write_curve(self.path / "curve.svg", self._rows)
        if self._board is not None:
            self._board.validation(validated)

    def save(self, state: State) -> None:
        """Write the checkpoint that a run goes on from."""
        if self._writes:
            request = self._request
            state.save(self.path / "checkpoints" / "last.pt", request.model, request.settings)
            self._write_log()

    def save_best(self, state: State) -> None:
        """Write the weights that are judged best, as a checkpoint and as a model, and mixes by them."""
        if not self._writes:
            return
        model, network = self._request.model, state.judged
        save_weights(self.path / "checkpoints" / "best.pt", model, network, state.progress.step)
        self._save_model(network)
        for name, mix_CT in write_samples(self.path / "samples", network, self._validator):
            if self._board is not None:
                self._board.sample(name, mix_CT, model.sample_rate, state.progress.step)

    def _adopt_best(self, state: State) -> None:
        """Have the best weights so far as checkpoint and model: from here, or from where it goes on."""
        own = self.path / "checkpoints" / "best.pt"
        resumed = self._request.resume
        there = own if own.is_file() or resumed is None else resumed.with_name("best.pt")
        if not there.is_file():
            self.save_best(state)
            return
        with torch.random.fork_rng(
            devices=[]
        ):  # a network is made with random numbers, which are the run's own
            best = load_model(there).module
        if there != own:
            save_weights(own, self._request.model, best, state.progress.best_step)
        self._save_model(best)

    def _save_model(self, network: Network) -> None:
        path = self.model_path / "model.safetensors"
        model = self._request.model
        save_model(path, network, model, familiarity=self._familiarity, limits=self._limits)

    def _row(self, step: int, epoch: int, lr: float, gradient: float | None) -> Row:
        loss = sum(self._losses) / len(self._losses) if self._losses else None
        self._losses = []
        return {"step": step, "epoch": epoch, "lr": lr, "loss": loss, "gradient": gradient}

    def _write_log(self) -> None:
        with (
            atomic_output(self.path / "log.csv") as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: _shown(row.get(key)) for key in COLUMNS} for row in self._rows)


def read_log(path: Path) -> list[Row]:
    """The lines of a log; none where there is no file or it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                {key: _number(text) for key, text in row.items() if key in COLUMNS}
                | {key: int(row[key]) for key in COUNTED if (row.get(key) or "").isdigit()}
                for row in csv.DictReader(file)
                if (row.get("step") or "").isdigit()
            ]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def config_text(request: TrainRequest) -> str:
    """The merged settings as a preset: `mixcli train --preset RUN/config.yaml` trains in the same way."""
    model = request.model.model_dump(mode="json", exclude={"data"})
    network = model.pop("network")
    content = {
        "description": f"The training of {request.out.resolve().name}",
        "source": f"mixcli {__version__} train {' '.join(request.sources)}".strip(),
        "checked": date.today(),
        "train": request.settings.model_dump(mode="json"),
        "model": {"layout": model.pop("layout"), **model, **network},
    }
    run = f"# device {request.device}, precision {request.precision}, compile {request.compile}\n"
    return run + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)


def data_document(songs: Sequence[PreparedSong], sources: Sequence[str]) -> dict[str, Any]:
    """The songs, their parts and hashes as plain data."""
    rows = [
        {
            "name": song.name,
            "group": song.group,
            "part": song.part,
            "seconds": round(song.n_samples / song.sample_rate, 3),
            "sha256": song_hash(song),
        }
        for song in songs
    ]
    return {"schema": "mixcli.train-data/1", "sources": list(sources), "songs": rows}


def song_hash(song: PreparedSong) -> str:
    """A hash of a song's samples: of 16 blocks evenly spread over it, since songs may fill a disk."""
    digest = hashlib.sha256(f"{song.inputs_KT.shape} {song.sample_rate}".encode())
    for start in np.linspace(0, max(0, song.n_samples - HASHED), N_HASHED).round().astype(int):
        for signal_KT in (song.inputs_KT, song.target_CT):
            digest.update(np.ascontiguousarray(signal_KT[:, start : start + HASHED]).tobytes())
    return digest.hexdigest()


def songs_fingerprint(songs: Sequence[PreparedSong]) -> str:
    """A short name of a training set: its songs, lengths and parts."""
    return fingerprint("\n".join(f"{song.name}\t{song.part}\t{song.n_samples}" for song in songs))


def data_statement(songs: Sequence[PreparedSong], sources: Sequence[str]) -> str:
    """What a model was trained on, in words; sources by their last names, without the way to them."""
    hours = sum(song.n_samples / song.sample_rate for song in songs) / 3600
    names = ", ".join(map(_last_name, sources)) or "songs"
    text = f"{len(songs)} song{'s' * (len(songs) != 1)}, {hours:.2f} h, of {names}"
    return text if len(text) <= 2000 else text[:1999] + "…"


def _last_name(source: str) -> str:
    """A source without the way to it: `songs`, `synth:drums=kits,sessions=8`."""
    kind, equals, place = source.partition("=") if source.startswith("synth:") else ("", "", source)
    return kind + equals + (Path(place).name or place)


def json_text(document: dict[str, Any]) -> str:
    """JSON with a newline at its end."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a text whole or not at all. Raises OutputError E502."""
    with atomic_output(path) as partial:
        partial.write_text(text.encode("utf-8", "backslashreplace").decode("utf-8"), encoding="utf-8")


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None

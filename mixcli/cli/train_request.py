"""From the options of `train` to what is asked of it."""

import os
import time
from pathlib import Path
from typing import Any, cast, get_args

from mixcli.cli.batch_request import parse_span
from mixcli.cli.parse import parse_choice, parse_time
from mixcli.cli.train_options import TrainOptions
from mixcli.errors import CheckpointError, OutputError, SettingsError, UsageError
from mixcli.mixing.output_path import lies_in
from mixcli.settings import TrainSettings, load_preset, override, parse_training_assignments
from mixcli.songs.dataset_song import DatasetLayout
from mixcli.training.model_choice import choose_model
from mixcli.training.prepare_options import DataOptions
from mixcli.training.request import TrainRequest

DEFAULT_PRESET = "train-base"
LOSSES = {
    "l1": {"l1": 1.0},
    "sdr": {"sdr": 1.0},
    "stft": {"stft": 1.0},
    "features": {"features": 1.0},
    "l1+stft": {"l1": 1.0, "stft": 1.0},
}


def build_training(sources: list[str], out: Path, options: TrainOptions) -> TrainRequest:
    """Everything that was typed about the training.

    Raises UsageError, SettingsError, CheckpointError, and OutputError E507 for a run among its own songs.
    """
    if not options.dry_run:
        refuse_among_songs(out, sources)
    asked, changes = asked_settings(options)
    settings = override(TrainSettings(), asked)
    precision = parse_choice("--precision", options.precision, ("f32", "bf16"))
    logs = [parse_choice("--log", word.strip(), ("csv", "tensorboard")) for word in options.log.split(",")]
    limit_s = parse_span("--max-time", options.max_time)
    resume = checkpoint_to_resume(options.resume, out, allowed=not (options.check or options.dry_run))
    if resume is not None and options.init is not None and options.resume != "auto":
        raise UsageError("--resume and --init contradict each other.", code="E206")
    return TrainRequest(
        out=out,
        model=choose_model(settings.model, changes, init=options.init),
        settings=settings,
        resume=resume,
        init=options.init,
        device=options.device,
        precision=precision,
        compile=options.compile,
        workers=options.workers,
        save_every=options.save_every,
        deadline=None if limit_s is None else time.monotonic() + limit_s,
        tensorboard="tensorboard" in logs,
        sources=tuple(sources),
    )


def refuse_among_songs(out: Path, sources: list[str]) -> None:
    """Raise OutputError E507 where the run would lie among its songs: it would be taken for one of them."""
    for source in map(Path, sources):
        if source.is_dir() and lies_in(out, source):
            message = f'"{out}" lies in "{source}", and folders of songs are never written into.'
            raise OutputError(message, code="E507", hint="another --out, beside the songs.")


def asked_settings(options: TrainOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of training and of the network asked for by name: presets, then --set, then options.

    Raises UsageError and SettingsError.
    """
    asked: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for name in options.preset or [DEFAULT_PRESET]:
        preset = load_preset(name)
        if "training" not in preset.kinds:
            message = f'the preset "{name}" says nothing about training.'
            raise SettingsError(message, code="E425", hint="train-base, train-paper, or a file of your own.")
        asked |= preset.train.model_dump(exclude_unset=True)
        changes |= preset.model
    typed, typed_changes = parse_training_assignments(options.set_ or [])
    named = {
        "epochs": options.epochs,
        "steps": options.steps,
        "batch_size": options.batch_size,
        "lr": options.lr,
        "optimizer": options.optimizer,
        "segment_s": options.segment,
        "ema": options.ema,
        "seed": options.seed,
    }
    asked |= typed
    if options.loss is not None:
        weights = LOSSES[parse_choice("--loss", options.loss, tuple(LOSSES))]
        asked |= dict.fromkeys(("l1", "sdr", "stft", "sides", "features"), 0.0) | weights
    asked |= {key: value for key, value in named.items() if value is not None}
    changes |= typed_changes
    about_model = {"sample_rate": options.sample_rate, "licence": options.licence}
    return asked, changes | {key: value for key, value in about_model.items() if value is not None}


def checkpoint_to_resume(wanted: str, out: Path, *, allowed: bool) -> Path | None:
    """The checkpoint to go on from, if any. Raises CheckpointError E401 and OutputError E510."""
    there = out / "checkpoints" / "last.pt"
    if wanted in ("auto", "never"):
        if wanted == "never" and allowed and there.exists():
            message = f'"{out}" holds a training already.'
            raise OutputError(message, code="E510", hint="--resume auto goes on with it; or another --out.")
        return there if wanted == "auto" and allowed and there.exists() else None
    path = Path(wanted)
    path = path / "checkpoints" / "last.pt" if path.is_dir() else path
    if not path.is_file():
        hint = "a checkpoint (.pt) or the folder of a run."
        raise CheckpointError(f'no checkpoint "{wanted}" to go on from.', code="E401", hint=hint)
    if allowed and there.exists() and not path.resolve().is_relative_to(out.resolve()):
        message = f'"{out}" holds a training already, which another would replace.'
        raise OutputError(message, code="E510", hint="--resume auto goes on with it; or another --out.")
    return path


def data_options(options: TrainOptions) -> DataOptions:
    """What was typed about the songs. Raises UsageError."""
    layouts = ("auto", *get_args(DatasetLayout))
    return DataOptions(
        layout=cast(DatasetLayout, parse_choice("--layout", options.layout, layouts)),
        validation=_share_or_list("--val", options.val),
        test=_share_or_list("--test", options.test),
        leave_out=tuple(options.leave_out or ()),
        include=tuple(options.include or ()),
        exclude=tuple(options.exclude or ()),
        seed=options.data_seed,
        drums=cast(Any, parse_choice("--drums", options.drums, ("dry", "wet"))),
        medleydb=cast(Any, parse_choice("--medleydb", options.medleydb, ("raw", "stems"))),
        wet_stems=options.wet_stems,
        target_level=cast(
            Any, parse_choice("--target-level", options.target_level, ("mix", "stems", "peak"))
        ),
        longest_s=parse_time("--longest", options.longest),
        most_songs=options.max_songs,
        repair=options.repair_nan,
    )


def cache_folder(options: TrainOptions, out: Path) -> Path:
    """Where prepared songs are kept."""
    if options.cache is not None:
        return options.cache
    named = os.environ.get("MIXCLI_CACHE", "")
    return Path(named) if named else out / "cache"


def _share_or_list(option: str, text: str) -> float | Path:
    """A share from 0 to below 1, or the path of a list. Raises UsageError E203."""
    try:
        share = float(text)
    except ValueError:
        return Path(text)
    if not 0 <= share < 1:
        raise UsageError(f'{option} "{text}" is no share from 0 to below 1.', code="E203")
    return share

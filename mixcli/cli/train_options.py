"""The options of `train`, each documented once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mixcli.cli.options import RUN, Json, Quiet
from mixcli.cli.train_song_options import TrainSongOptions

TRAINING, MACHINE = "Training", "Machine"

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="DATASET...",
        help="Folders of songs with their mixes, data sets, lists (.csv, .jsonl), "
        "synth:drums=DIR, synth:band=DIR.",
        show_default=False,
    ),
]
RunOut = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="RUN", help="The folder of this run.", rich_help_panel=RUN, show_default=False
    ),
]
PresetNames = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--preset",
        metavar="NAME|FILE",
        help="What is trained, and how: train-base (the default), train-paper, …, RUN/config.yaml.",
        rich_help_panel=TRAINING,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting: --set train.lr=1e-4, --set model.depth=8",
        rich_help_panel=TRAINING,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", min=1, help="The most epochs.", rich_help_panel=TRAINING),
]
Steps = Annotated[
    int | None,
    typer.Option("--steps", metavar="N", min=1, help="The most steps.", rich_help_panel=TRAINING),
]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", metavar="N", min=1, help="Pieces a step.", rich_help_panel=TRAINING),
]
LearningRate = Annotated[
    float | None, typer.Option("--lr", metavar="SIZE", help="Size of a step.", rich_help_panel=TRAINING)
]
Optimizer = Annotated[
    str | None,
    typer.Option("--optimizer", metavar="adam|adamw", help="How steps are made.", rich_help_panel=TRAINING),
]
Loss = Annotated[
    str | None,
    typer.Option(
        "--loss",
        metavar="l1|sdr|stft|features|l1+stft",
        help="By samples (sdr: every piece alike), spectra of sum and difference, or what a mix is like.",
        rich_help_panel=TRAINING,
    ),
]
Segment = Annotated[
    float | None,
    typer.Option("--segment", metavar="SECONDS", help="Length of a piece.", rich_help_panel=TRAINING),
]
SampleRate = Annotated[
    int | None,
    typer.Option("--sample-rate", metavar="HZ", help="Rate of the network.", rich_help_panel=TRAINING),
]
Ema = Annotated[
    float | None,
    typer.Option(
        "--ema",
        metavar="SHARE",
        help="Running mean of the weights: 0.999.",
        rich_help_panel=TRAINING,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", min=0, help="Of all that is random.", rich_help_panel=TRAINING),
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--licence", metavar="TEXT", help="Of the weights, for model.json.", rich_help_panel=TRAINING
    ),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda[:N]|mps", help="What computes.", rich_help_panel=MACHINE),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision", metavar="f32|bf16", help="bf16: faster where hardware has it.", rich_help_panel=MACHINE
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", metavar="N", min=0, help="Read ahead with N.", rich_help_panel=MACHINE)
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", min=1, help="Threads that compute.", rich_help_panel=MACHINE),
]
Compile = Annotated[
    bool,
    typer.Option("--compile", help="Compile the network first.", rich_help_panel=MACHINE),
]
Resume = Annotated[
    str,
    typer.Option(
        "--resume",
        metavar="auto|never|PATH",
        help="auto: go on where RUN stopped. PATH: from this checkpoint or run.",
        rich_help_panel=RUN,
    ),
]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="MODEL", help="Begin with the weights of a model.", rich_help_panel=RUN),
]
MaxTime = Annotated[
    str | None,
    typer.Option(
        "--max-time",
        metavar="TIME",
        help="Save and stop after this long (8h, 90m); exit 75; the same command goes on.",
        rich_help_panel=RUN,
    ),
]
SaveEvery = Annotated[
    int | None,
    typer.Option("--save-every", metavar="STEPS", min=1, help="Save within epochs too.", rich_help_panel=RUN),
]
Log = Annotated[
    str, typer.Option("--log", metavar="csv[,tensorboard]", help="What is logged.", rich_help_panel=RUN)
]
Check = Annotated[
    bool,
    typer.Option("--check", help="One batch, one step, one checkpoint there and back.", rich_help_panel=RUN),
]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Only say what songs there are.", rich_help_panel=RUN)
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        help="No bar; a line for every 50 steps.",
        rich_help_panel=RUN,
        show_default=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class TrainOptions(TrainSongOptions):
    """What was typed, as typed; `None` means that an option was not given."""

    preset: PresetNames = None
    set_: Set = None
    epochs: Epochs = None
    steps: Steps = None
    batch_size: BatchSize = None
    lr: LearningRate = None
    optimizer: Optimizer = None
    loss: Loss = None
    segment: Segment = None
    sample_rate: SampleRate = None
    ema: Ema = None
    seed: Seed = None
    licence: Licence = None
    device: Device = "auto"
    precision: Precision = "f32"
    workers: Workers = 2
    threads: Threads = None
    compile: Compile = False
    resume: Resume = "auto"
    init: Init = None
    max_time: MaxTime = None
    save_every: SaveEvery = None
    log: Log = "csv"
    check: Check = False
    dry_run: DryRun = False
    json: Json = False
    quiet: Quiet = 0
    verbose: Verbose = 0

"""The options of `train` that are about songs, each documented once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

DATA = "Songs"

Layout = Annotated[
    str,
    typer.Option(
        "--layout",
        metavar="auto|songs|medleydb|enst|musdb18|dsd100|cambridge|slakh2100|moisesdb|manifest",
        help="How the songs lie in their folders.",
        rich_help_panel=DATA,
    ),
]
Validation = Annotated[
    str,
    typer.Option(
        "--val",
        metavar="SHARE|FILE",
        help="Songs to judge by, never learnt from: a share of the hours, or a list.",
        rich_help_panel=DATA,
    ),
]
Test = Annotated[
    str,
    typer.Option(
        "--test",
        metavar="SHARE|FILE",
        help="Songs that are left alone, for eval afterwards.",
        rich_help_panel=DATA,
    ),
]
LeaveOut = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-out", metavar="GROUP", help="An artist or drummer for the test.", rich_help_panel=DATA
    ),
]
DataSeed = Annotated[
    int,
    typer.Option(
        "--data-seed",
        metavar="N",
        min=0,
        help="Of what is drawn about songs: the split, the un-mixing. Whatever --seed is.",
        rich_help_panel=DATA,
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="Only songs of such names.", rich_help_panel=DATA),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="No songs of such names.", rich_help_panel=DATA),
]
Drums = Annotated[
    str,
    typer.Option("--drums", metavar="dry|wet", help="Which mix of ENST-drums.", rich_help_panel=DATA),
]
MedleyDB = Annotated[
    str,
    typer.Option(
        "--medleydb", metavar="raw|stems", help="Its raw recordings, or its stems.", rich_help_panel=DATA
    ),
]
WetStems = Annotated[
    bool,
    typer.Option(
        "--wet-stems",
        help="The stems are those of finished mixes: un-mix them, and learn to mix them again.",
        rich_help_panel=DATA,
    ),
]
TargetLevel = Annotated[
    str,
    typer.Option(
        "--target-level",
        metavar="mix|stems|peak",
        help="Level of the mix to learn: its own, that of the stems' sum, or a full peak.",
        rich_help_panel=DATA,
    ),
]
MaxSongs = Annotated[
    int | None,
    typer.Option("--max-songs", metavar="N", min=1, help="At most so many songs.", rich_help_panel=DATA),
]
Longest = Annotated[
    str | None,
    typer.Option("--longest", metavar="T", help="Only so much of each song.", rich_help_panel=DATA),
]
RepairNan = Annotated[
    bool,
    typer.Option("--repair-nan", help="Read samples that are not numbers as silence.", rich_help_panel=DATA),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Where prepared songs are kept. Not given: MIXCLI_CACHE, else RUN/cache.",
        rich_help_panel=DATA,
        show_default=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class TrainSongOptions:
    """What was typed about songs; `None` means that an option was not given."""

    layout: Layout = "auto"
    val: Validation = "0.1"
    test: Test = "0"
    leave_out: LeaveOut = None
    data_seed: DataSeed = 0
    include: Include = None
    exclude: Exclude = None
    drums: Drums = "wet"
    medleydb: MedleyDB = "raw"
    wet_stems: WetStems = False
    target_level: TargetLevel = "mix"
    max_songs: MaxSongs = None
    longest: Longest = None
    repair_nan: RepairNan = False
    cache: Cache = None

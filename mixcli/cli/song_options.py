"""The options that say which files of a folder are stems, shared by mix, batch and inspect."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

INPUT = "Input"

SongFolder = Annotated[Path, typer.Argument(metavar="SONG", help="A folder of stems.", show_default=False)]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="Only these files.", rich_help_panel=INPUT),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="GLOB", help="Not these files.", rich_help_panel=INPUT),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "-r", "--recursive", help="Take all audio in folders below the song's, too.", rich_help_panel=INPUT
    ),
]
Role = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="PATTERN=ROLE", help='As in "Audio 12*=perc.hand"', rich_help_panel=INPUT),
]
NoPair = Annotated[
    bool, typer.Option("--no-pair", help="Do not join left and right files.", rich_help_panel=INPUT)
]
Downmix = Annotated[
    bool,
    typer.Option("--downmix", help="Fold stems of more than two channels to stereo.", rich_help_panel=INPUT),
]
AllowSingle = Annotated[
    bool, typer.Option("--allow-single", help="Mix a song of one stem, too.", rich_help_panel=INPUT)
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave broken stems out, with a warning.", rich_help_panel=INPUT)
]
Align = Annotated[
    str,
    typer.Option(
        "--align",
        metavar="auto|start|bwf",
        help="bwf: by the start times in the files; auto: if all carry one nearby.",
        rich_help_panel=INPUT,
    ),
]
KeepClick = Annotated[
    bool, typer.Option("--keep-click", help="Mix clicks and guides, too.", rich_help_panel=INPUT)
]
RepairNan = Annotated[
    bool, typer.Option("--repair-nan", help="Read invalid samples as silence.", rich_help_panel=INPUT)
]


@dataclass(frozen=True, kw_only=True)
class SongOptions:
    """What was typed about the files of a song."""

    include: Include = None
    exclude: Exclude = None
    recursive: Recursive = False
    role: Role = None
    align: Align = "auto"
    no_pair: NoPair = False
    downmix: Downmix = False
    allow_single: AllowSingle = False
    keep_click: KeepClick = False
    repair_nan: RepairNan = False
    skip_bad: SkipBad = False

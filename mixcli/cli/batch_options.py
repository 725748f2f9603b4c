"""The options of `batch` beside those of mix, each documented once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mixcli.cli.options import OUTPUT, RUN, MixOptions

SELECTION, UNATTENDED = "Which songs", "Unattended"

Libraries = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="LIBRARY...",
        help='Folders with songs somewhere below, quoted patterns, files that list folders; "-": a list on '
        "stdin.",
        show_default=False,
    ),
]
BatchOut = Annotated[
    Path,
    typer.Option(
        "-o", "--out", metavar="DIR", help="Where the mixes go; folders are kept.", rich_help_panel=OUTPUT
    ),
]
Only = Annotated[
    str,
    typer.Option(
        "--only",
        metavar="rest|new|failed|stale|all",
        help="rest: all but what is up to date; stale: what has changed since it was mixed.",
        rich_help_panel=SELECTION,
    ),
]
Check = Annotated[
    str,
    typer.Option(
        "--check",
        metavar="quick|content",
        help="What tells that a song is up to date: size and time of its files, or all they hold.",
        rich_help_panel=SELECTION,
    ),
]
Null = Annotated[
    bool,
    typer.Option("-0", "--null", help="The list on stdin has NUL between names.", rich_help_panel=SELECTION),
]
Settle = Annotated[
    str | None,
    typer.Option(
        "--settle",
        metavar="TIME",
        help="Leave songs for later that were changed less than this ago (30s, 10m).",
        rich_help_panel=SELECTION,
    ),
]
ShareOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only the I-th of N shares, even by seconds of audio: one for each node of a cluster.",
        rich_help_panel=SELECTION,
    ),
]
Album = Annotated[
    bool,
    typer.Option(
        "--album",
        help="One gain for all songs of a folder: the loudest reaches the target, soft ones stay soft.",
        rich_help_panel=OUTPUT,
    ),
]
Merge = Annotated[
    bool,
    typer.Option(
        "--merge",
        help="Mix nothing: take the manifests of all shares, and those named, into the one of --out.",
        rich_help_panel=UNATTENDED,
    ),
]
Jobs = Annotated[
    str,
    typer.Option(
        "-j",
        "--jobs",
        metavar="N|auto",
        help="Songs at the same time, each in a process; auto: by processors and memory.",
        rich_help_panel=UNATTENDED,
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="processes|dask",
        help="What mixes the songs: processes of this machine, or the workers of a Dask cluster.",
        rich_help_panel=UNATTENDED,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT|FILE",
        help="Where the cluster's scheduler is, or the file that it wrote; else DASK_SCHEDULER_ADDRESS.",
        rich_help_panel=UNATTENDED,
    ),
]
StopAfter = Annotated[
    str | None,
    typer.Option(
        "--stop-after",
        metavar="TIME",
        help="Start no song after this long (8h, 90m, 1:30:00); exit 75 if any is left.",
        rich_help_panel=UNATTENDED,
    ),
]
MaxSongs = Annotated[
    int | None,
    typer.Option(
        "--max-songs",
        metavar="N",
        min=1,
        help="Try so many songs at most; exit 75 if any is left.",
        rich_help_panel=UNATTENDED,
    ),
]
MaxFailures = Annotated[
    int | None,
    typer.Option(
        "--max-failures",
        metavar="N",
        min=1,
        help="Start no song after so many failures.",
        rich_help_panel=UNATTENDED,
    ),
]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="Same as --max-failures 1.", rich_help_panel=UNATTENDED)
]
ProgressKind = Annotated[
    str,
    typer.Option(
        "--progress",
        metavar="auto|rich|plain|json|none",
        help="Bars, lines, or JSON events on stderr; auto: bars on a terminal, else lines.",
        rich_help_panel=RUN,
    ),
]


@dataclass(frozen=True, kw_only=True)
class BatchOptions(MixOptions):
    """What was typed; `None` means that an option was not given."""

    only: Only = "rest"
    check: Check = "quick"
    null: Null = False
    settle: Settle = None
    shard: ShareOf = None
    jobs: Jobs = "auto"
    engine: Engine = "processes"
    scheduler: Scheduler = None
    stop_after: StopAfter = None
    max_songs: MaxSongs = None
    max_failures: MaxFailures = None
    fail_fast: FailFast = False
    merge: Merge = False
    album: Album = False
    progress: ProgressKind = "auto"

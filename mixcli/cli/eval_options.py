"""The options of `eval`, each documented once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mixcli.cli.options import Json, PresetNames, Quiet, Verbose
from mixcli.cli.song_options import SongOptions

COMPARE, STATISTICS, RESULTS, RUN = "What is compared", "Statistics", "Results", "Run"

Library = Annotated[
    Path,
    typer.Argument(
        metavar="LIBRARY",
        help="Songs with stems and a mix; with --against also a folder of finished mixes.",
        show_default=False,
    ),
]
GivenSystems = Annotated[
    list[str] | None,
    typer.Option(
        "--system",
        metavar="NAME=FOLDER",
        help="Mixes made elsewhere, named like the songs; {song} may stand in the path.",
        rich_help_panel=COMPARE,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME|PATH",
        help="Mix with this network.",
        rich_help_panel=COMPARE,
    ),
]
RecipePattern = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="FILE",
        help="Mix with this recipe; {song} may stand in it.",
        rich_help_panel=COMPARE,
    ),
]
NoMix = Annotated[
    bool, typer.Option("--no-mix", help="Mix nothing: given mixes and baselines.", rich_help_panel=COMPARE)
]
Baselines = Annotated[
    str,
    typer.Option("--baselines", metavar="all|none|NAME,…", help="Rows to beat.", rich_help_panel=COMPARE),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against",
        metavar="FOLDER",
        help="References; else those beside the stems.",
        rich_help_panel=COMPARE,
    ),
]
Parts = Annotated[
    str | None,
    typer.Option(
        "--parts",
        metavar="FOLDER",
        help="Measure the balance on these stems of a song, not on its own.",
        rich_help_panel=COMPARE,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="CSV", help="Columns song, genre, … for --by.", rich_help_panel=STATISTICS
    ),
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="role,LABEL", help="Medians by group, too.", rich_help_panel=STATISTICS),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="EXPR",
        help="Exit with 7 if so: 'tone_db > 3', 'mixcli:index > 1'.",
        rich_help_panel=STATISTICS,
    ),
]
Bootstrap = Annotated[
    int,
    typer.Option(
        "--bootstrap",
        metavar="N",
        min=100,
        max=100_000,
        help="Draws per interval.",
        rich_help_panel=STATISTICS,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed", min=0, help="Of the random gains and of the intervals.", rich_help_panel=STATISTICS
    ),
]
OutFolder = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="DIR",
        help="Keep mixes, scores, eval.json, eval.csv; the same command goes on there.",
        rich_help_panel=RESULTS,
        show_default=False,
    ),
]
Report = Annotated[
    str,
    typer.Option(
        "--report",
        metavar="none|html",
        help="A page with pictures and players, in DIR.",
        rich_help_panel=RESULTS,
    ),
]
CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="All values; - is stdout.", rich_help_panel=RESULTS),
]
Workers = Annotated[
    str,
    typer.Option("-j", "--workers", metavar="N|auto", help="Songs at the same time.", rich_help_panel=RUN),
]
PlanOnly = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Show what would be compared.", rich_help_panel=RUN)
]


@dataclass(frozen=True, kw_only=True)
class EvalOptions(SongOptions):
    """What was typed, as typed."""

    system: GivenSystems = None
    model: Models = None
    recipe: RecipePattern = None
    preset: PresetNames = None
    no_mix: NoMix = False
    baselines: Baselines = "all"
    against: Against = None
    parts: Parts = None
    labels: Labels = None
    by: By = None
    fail_if: FailIf = None
    bootstrap: Bootstrap = 1000
    seed: Seed = 0
    out: OutFolder = None
    report: Report = "none"
    csv: CsvFile = None
    workers: Workers = "1"
    dry_run: PlanOnly = False
    json: Json = False
    quiet: Quiet = 0
    verbose: Verbose = 0

"""The options that `mix` and `batch` share, each documented once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mixcli.cli.song_options import SongOptions

OUTPUT, BALANCE, LOUDNESS, NETWORK, RUN = "Output", "Balance", "Loudness", "Network", "Run"

OutPath = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="PATH",
        help='Folder, or a file ending in .wav or .flac; "-" writes a WAV to stdout. Not given: mixes.',
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]
Name = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="TEMPLATE",
        help="File name, from {song} {preset} {model} {bits} {variant}.",
        rich_help_panel=OUTPUT,
    ),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="wav|flac", help="File format.", rich_help_panel=OUTPUT),
]
BitDepth = Annotated[
    str | None,
    typer.Option("--bit-depth", metavar="16|24|32f", help="Bits; 32f is float.", rich_help_panel=OUTPUT),
]
SampleRate = Annotated[
    str | None,
    typer.Option(
        "--sample-rate",
        metavar="HZ|source",
        help="Rate of the mix; source: the rate of most stems.",
        rich_help_panel=OUTPUT,
    ),
]
IfExists = Annotated[
    str | None,
    typer.Option(
        "--if-exists",
        metavar="error|skip|overwrite|number",
        help="If the mix is there already. Not given: error; in batch: skip if up to date.",
        rich_help_panel=OUTPUT,
    ),
]
Force = Annotated[
    bool, typer.Option("-f", "--force", help="Same as --if-exists overwrite.", rich_help_panel=OUTPUT)
]
TermsKind = Annotated[
    str,
    typer.Option(
        "--terms",
        metavar="none|stems|buses",
        help="Also write what the mix is the sum of, as 32-bit float files.",
        rich_help_panel=OUTPUT,
    ),
]
Report = Annotated[
    str,
    typer.Option("--report", metavar="none", help="There are no reports yet.", rich_help_panel=OUTPUT),
]
Gain = Annotated[
    list[str] | None,
    typer.Option("--gain", metavar="WHAT=DB", help="Add dB: --gain vox.lead=+1.5", rich_help_panel=BALANCE),
]
Pan = Annotated[
    list[str] | None,
    typer.Option("--pan", metavar="WHAT=-1..1", help="Left is -1: keys=-0.4", rich_help_panel=BALANCE),
]
Mute = Annotated[
    list[str] | None, typer.Option("--mute", metavar="WHAT", help="Mix without it.", rich_help_panel=BALANCE)
]
Solo = Annotated[
    list[str] | None, typer.Option("--solo", metavar="WHAT", help="Mix only this.", rich_help_panel=BALANCE)
]
RecipeFile = Annotated[
    Path | None,
    typer.Option(
        "--recipe", metavar="FILE", help="Render this recipe; no rule is consulted.", rich_help_panel=BALANCE
    ),
]
KeepBalance = Annotated[
    float | None,
    typer.Option(
        "--keep-balance",
        metavar="SHARE",
        min=0,
        max=1,
        help="Keep so much of the balance that the stems come with; 1: their plain sum.",
        rich_help_panel=BALANCE,
    ),
]
PresetNames = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        "--preset",
        metavar="NAME|FILE",
        help="Where the mix is going, or its style: mixcli presets list. Or MIXCLI_PRESET=rock,apple.",
        rich_help_panel=LOUDNESS,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting: --set mix.limit_db=9, --set rules.reverb_db=+3",
        rich_help_panel=RUN,
    ),
]
Lufs = Annotated[
    str | None,
    typer.Option(
        "--lufs",
        metavar="LUFS|off",
        help="Integrated loudness; off: only the peaks are set.",
        rich_help_panel=LOUDNESS,
    ),
]
TruePeak = Annotated[
    float | None,
    typer.Option("--true-peak", metavar="DBTP", help="Ceiling of the true peak.", rich_help_panel=LOUDNESS),
]
LoudnessMode = Annotated[
    str | None,
    typer.Option(
        "--loudness-mode",
        metavar="gain|limit|measure",
        help="gain: no limiter; limit: at most limit_db of it, mostly 6; measure: leave the level.",
        rich_help_panel=LOUDNESS,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME|PATH",
        help="The network that takes part: its name or file.",
        rich_help_panel=NETWORK,
    ),
]
Amount = Annotated[
    float | None,
    typer.Option(
        "--amount",
        metavar="0..1.5",
        help="How much of the network; 0 is the console alone. Not given: 1.",
        rich_help_panel=NETWORK,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="cpu|cuda[:N]|mps",
        help="What the network runs on. batch shares the songs among the CUDA devices that there are.",
        rich_help_panel=NETWORK,
    ),
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="T", help="Mix from here: 90, 1:30 or 90s.", rich_help_panel=RUN),
]
Duration = Annotated[
    str | None, typer.Option("--duration", metavar="T", help="Mix only this long.", rich_help_panel=RUN)
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Exit with 7 where the loudness is missed; the mix is kept.", rich_help_panel=RUN
    ),
]
DryRun = Annotated[
    bool, typer.Option("-n", "--dry-run", help="Show what would be done; write nothing.", rich_help_panel=RUN)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.", rich_help_panel=RUN)]
Quiet = Annotated[
    int,
    typer.Option(
        "-q",
        "--quiet",
        count=True,
        help="Only warnings and errors beside the result; -qq: not these either.",
        rich_help_panel=RUN,
        show_default=False,
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        help="No bar; in batch a line per song. -vv: the traceback of a bug.",
        rich_help_panel=RUN,
        show_default=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class MixOptions(SongOptions):
    """What was typed, as typed; `None` means that an option was not given."""

    name: Name = "{song}"
    format: Format = None
    bit_depth: BitDepth = None
    sample_rate: SampleRate = None
    if_exists: IfExists = None
    force: Force = False
    terms: TermsKind = "none"
    report: Report = "none"
    gain: Gain = None
    pan: Pan = None
    mute: Mute = None
    solo: Solo = None
    recipe: RecipeFile = None
    keep_balance: KeepBalance = None
    preset: PresetNames = None
    lufs: Lufs = None
    true_peak: TruePeak = None
    loudness_mode: LoudnessMode = None
    model: Model = None
    amount: Amount = None
    device: Device = "cpu"
    set_: Set = None
    start: Start = None
    duration: Duration = None
    strict: Strict = False
    dry_run: DryRun = False
    json: Json = False
    quiet: Quiet = 0
    verbose: Verbose = 0

"""`mixcli inspect`: what is in a song folder, and what mix would do with it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mixcli.cli.options import (
    AllowSingle,
    Downmix,
    Exclude,
    Include,
    NoPair,
    Recursive,
    Role,
    SkipBad,
    SongFolder,
)
from mixcli.cli.parse import parse_pairs
from mixcli.cli.progress import song_progress
from mixcli.cli.show import as_clock, result_line, show_notices

if TYPE_CHECKING:
    from mixcli.mixing.inspection import Inspection
    from mixcli.songs.song import Stem


def inspect(
    song: SongFolder,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at names and headers alone; measure nothing.")
    ] = False,
    include: Include = None,
    exclude: Exclude = None,
    recursive: Recursive = False,
    role: Role = None,
    no_pair: NoPair = False,
    downmix: Downmix = False,
    allow_single: AllowSingle = False,
    skip_bad: SkipBad = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    quiet: Annotated[
        int,
        typer.Option(
            "-q", "--quiet", count=True, help="No notes; -qq: no warnings either.", show_default=False
        ),
    ] = 0,
    verbose: Annotated[
        int,
        typer.Option(
            "-v", "--verbose", count=True, help="Also the reason of every move.", show_default=False
        ),
    ] = 0,
) -> None:
    """Show every stem of a song: its role and where that was found, format, level, and what mix would do.

    Exits with 3 where mix would fail for a fault of the stems. Writes nothing and loads no network.
    """
    from mixcli.mixing.inspection import inspect_song, inspection_document
    from mixcli.songs.discovery import DiscoveryOptions

    options = DiscoveryOptions(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        recursive=recursive,
        roles=tuple(parse_pairs("--role", role)),
        pair=not no_pair,
        downmix=downmix,
        allow_single=allow_single,
        skip_bad=skip_bad,
    )
    with song_progress(quiet=quiet, verbose=verbose) as progress:
        found = inspect_song(song, options, quick=quick, on_progress=progress.on_progress)
    show_notices(found.song.notices, quiet=quiet, verbose=verbose)
    if json:
        from mixcli.mixing.result import to_json

        sys.stdout.write(to_json(inspection_document(found)))
        return
    for row in table(found, reasons=bool(verbose)):
        result_line(row)


def table(found: "Inspection", *, reasons: bool) -> list[str]:
    """The song as rows of text, columns aligned; with `reasons` every move's reason below its stem."""
    rows = [("stem", "role", "from", "format", "length", *(("LUFS", "peak") if found.survey else ()))]
    rows[0] = (*rows[0], *(("gain", "pan", "width", "reverb") if found.recipe else ()))
    rows += [_row(found, stem) for stem in found.song.stems]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines: list[str] = []
    for row, stem in zip(rows, (None, *found.song.stems), strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if reasons and stem is not None and found.recipe is not None:
            moves = found.recipe.stems[stem.name].reasons
            lines += [f"    {key}: {reason}" for key, reason in moves.items()]
    lines += [f"left out: {each.name} ({each.why}: {each.detail})" for each in found.song.excluded]
    if found.song.reference is not None:
        lines.append(f"reference mix: {found.song.reference.name}")
    return lines


def _row(found: "Inspection", stem: "Stem") -> tuple[str, ...]:
    channels = "pair" if len(stem.files) == 2 else ("stereo" if stem.n_channels == 2 else "mono")
    form = f"{stem.files[0].subtype} {stem.sample_rate / 1000:g} kHz {channels}"
    row: tuple[str, ...] = (stem.name, stem.role, stem.role_from, form, as_clock(stem.duration_s))
    if found.survey is not None and found.recipe is not None:
        survey, moves = found.survey.stems[stem.name], found.recipe.stems[stem.name]
        width = "–"
        if moves.side_from_mid_db is not None:
            width = "made"
        elif moves.side_gain_db is not None:
            width = "moved"
        reverb = "–" if moves.reverb_send_db is None else f"{moves.reverb_send_db:g} dB"
        row = (*row, f"{survey.loudness_lufs:.1f}", f"{survey.peak_dbfs:.1f}")
        row = (*row, f"{moves.gain_db:+.1f}", f"{moves.pan:+.2f}", width, reverb)
    return row

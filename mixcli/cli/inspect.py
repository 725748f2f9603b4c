"""`mixcli inspect`: what is in a song folder, and what mix would do with it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mixcli.cli.progress import song_progress
from mixcli.cli.show import as_clock, result_line, show_notices
from mixcli.cli.song_options import SongFolder, SongOptions
from mixcli.cli.spelled_out import spell_out_options

if TYPE_CHECKING:
    from mixcli.mixing.inspection import Inspection
    from mixcli.songs.song import Stem


def show_roles(wanted: bool) -> None:
    """Print every role with the bus it goes to, and stop."""
    if not wanted:
        return
    from mixcli.songs.roles import ROLES, bus_of

    for role in ROLES:
        result_line(f"{role.ljust(16)} {'not mixed' if role.startswith('util.') else bus_of(role)}")
    raise typer.Exit


@spell_out_options
def inspect(
    context: typer.Context,
    song: SongFolder,
    quick: Annotated[bool, typer.Option("--quick", help="From the headers alone; measure nothing.")] = False,
    roles: Annotated[
        bool, typer.Option("--roles", callback=show_roles, is_eager=True, help="List all roles and buses.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
    quiet: Annotated[
        int, typer.Option("-q", "--quiet", count=True, help="Warnings only; -qq: none.", show_default=False)
    ] = 0,
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, help="The reasons too.", show_default=False)
    ] = 0,
    *,
    options: SongOptions,
) -> None:
    """Show every stem of a song: its role and why, format, level, faults, and what mix would do.

    Exits with 3 where mix would fail. Loads no network.
    """
    from mixcli.cli.request import discovery_options
    from mixcli.mixing.inspection import inspect_song, inspection_document
    from mixcli.songs.cores import n_threads

    wanted = discovery_options(options)
    with song_progress(context.obj, quiet=quiet, verbose=verbose) as progress:
        found = inspect_song(
            song,
            wanted,
            quick=quick,
            repair=options.repair_nan,
            processes=n_threads(),
            on_progress=progress.show,
        )
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

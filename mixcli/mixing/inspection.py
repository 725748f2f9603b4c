"""What is in a song folder and what a mix would do with it, without rendering anything and without torch."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixcli import __version__
from mixcli.console.recipe import Recipe
from mixcli.console.rules import make_recipe
from mixcli.mixing.measured import measure_stems, measuring
from mixcli.mixing.plan import balance_notices
from mixcli.mixing.request import Progress
from mixcli.mixing.result import finite, notice_document, shown_path
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.header_checks import most_common_rate
from mixcli.songs.roles import bus_of
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import Survey

SCHEMA = "mixcli.inspect/1"


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """A song, and, unless it was a quick look, what was measured and what the rules would do."""

    folder: Path
    song: Song
    survey: Survey | None = None
    recipe: Recipe | None = None


def inspect_song(
    folder: Path,
    options: DiscoveryOptions,
    *,
    quick: bool = False,
    repair: bool = False,
    processes: int = 1,
    on_progress: Progress | None = None,
) -> Inspection:
    """Read a song folder, in up to `processes` processes; `quick` reads the headers alone.

    Raises SongError where a mix would.
    """
    song = read_song(folder, options)
    if quick:
        return Inspection(folder=folder, song=song)
    on_block = measuring(song, on_progress)
    rate = most_common_rate(song.stems)
    song, survey, pairs = measure_stems(
        song, rate, skip_bad=options.skip_bad, repair=repair, processes=processes, on_block=on_block
    )
    song = replace(song, notices=song.notices + balance_notices(song, survey))
    recipe = make_recipe(song, survey, pairs=pairs)
    return Inspection(folder=folder, song=song, survey=survey, recipe=recipe)


def inspection_document(inspection: Inspection) -> dict[str, Any]:
    """The inspection as plain data (schema mixcli.inspect/1): numbers are finite or null."""
    song = inspection.song
    return {
        "schema": SCHEMA,
        "mixcli": __version__,
        "song": {
            "name": song.name,
            "path": shown_path(inspection.folder),
            "duration": round(song.duration_s, 6),
            "sample_rate": most_common_rate(song.stems),
        },
        "reference": None if song.reference is None else shown_path(song.reference),
        "inputs": [_stem_document(inspection, stem) for stem in song.stems],
        "excluded": [{"file": each.name, "why": each.why, "detail": each.detail} for each in song.excluded],
        "warnings": [notice_document(notice) for notice in song.notices],
    }


def _stem_document(inspection: Inspection, stem: Stem) -> dict[str, Any]:
    info = stem.files[0]
    document: dict[str, Any] = {
        "file": stem.name,
        "role": stem.role,
        "role_from": stem.role_from,
        "bus": bus_of(stem.role),
        "attributes": dict(stem.attributes),
        "channels": stem.n_channels,
        "sample_rate": stem.sample_rate,
        "container": info.container,
        "subtype": info.subtype,
        "frames": stem.n_samples,
        "offset": stem.offset,
    }
    if inspection.survey is not None and inspection.recipe is not None:
        survey = inspection.survey.stems[stem.name]
        document |= {
            "peak_dbfs": finite(survey.peak_dbfs),
            "loudness_lufs": finite(survey.loudness_lufs),
            "active_fraction": finite(survey.active_fraction),
            "dual_mono": survey.dual_mono,
            "clipped_runs": survey.clipped_runs,
            "dc": finite(survey.dc, 6),
            "moves": inspection.recipe.stems[stem.name].model_dump(mode="json"),
        }
    return document

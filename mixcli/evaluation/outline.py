"""What an evaluation would compare, from names and headers alone."""

from typing import Any

from mixcli import __version__
from mixcli.audio.files import display_name
from mixcli.errors import MixcliError
from mixcli.evaluation.plan import EvalPlan, PlannedSong
from mixcli.evaluation.request import EvalRequest
from mixcli.mixing.result import error_document, notice_document
from mixcli.songs.discovery import read_song

SCHEMA = "mixcli.eval-plan/1"


def outline_document(plan: EvalPlan, request: EvalRequest) -> dict[str, Any]:
    """The plan as plain data: schema mixcli.eval-plan/1."""
    return {
        "schema": SCHEMA,
        "mixcli": __version__,
        "systems": [{"name": system.name, "kind": system.kind} for system in plan.systems],
        "songs": [outline_song(song, request) for song in plan.songs],
        "warnings": [notice_document(notice) for notice in plan.notices],
    }


def outline_song(planned: PlannedSong, request: EvalRequest) -> dict[str, Any]:
    """One song: how many stems, which reference, which systems have no mix of it."""
    reference, n_stems, error = planned.reference, 0, planned.failure
    if planned.folder is not None:
        try:
            song = read_song(planned.folder, request.discovery)
            reference, n_stems = reference or song.reference, len(song.stems)
        except MixcliError as failure:
            error = error or failure
    return {
        "name": planned.name,
        "folder": None if planned.folder is None else display_name(planned.folder),
        "reference": None if reference is None else display_name(reference),
        "n_stems": n_stems,
        "missing": sorted(planned.missing),
        "error": None if error is None else error_document(error),
    }

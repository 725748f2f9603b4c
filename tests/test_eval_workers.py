"""Workers of an evaluation that are killed: the song is tried again, then named; the others go on."""

import os
import pickle
import signal
from pathlib import Path

import pytest

from mixcli.evaluation import run
from mixcli.evaluation.plan import EvalPlan, PlannedSong
from mixcli.evaluation.request import EvalRequest


def score_or_die(index, song, _systems, request, _folder):
    """In place of scoring: a song named for it kills its worker, once or always."""
    marker = request.out / song.name
    if song.name == "always" or (song.name == "once" and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return run.SongScores(index=index, document={"name": song.name, "status": "ok", "error": None})


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.slow
def test_a_killed_worker_costs_at_most_its_song(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "score_one", score_or_die)
    names = ("one", "once", "two", "always", "three", "four")
    songs = tuple(PlannedSong(name=name, folder=None) for name in names)
    request = EvalRequest(library=Path(), systems=(), out=tmp_path)
    plan = EvalPlan(songs=songs, systems=())
    outcomes = sorted(run.run_evaluation(plan, request, workers=2), key=lambda outcome: outcome.index)
    assert [outcome.document["name"] for outcome in outcomes] == list(names)
    failed = [outcome.document for outcome in outcomes if outcome.document["status"] == "error"]
    assert [(song["name"], song["error"]["code"]) for song in failed] == [("always", "E602")]


def test_what_is_missing_reaches_the_workers_and_comes_back(tmp_path):
    from mixcli.errors import SongError
    from mixcli.evaluation.request import System

    missing = SongError("no mix.", code="E361", hint="look")
    again = pickle.loads(pickle.dumps(missing))
    assert (type(again), again.message, again.code, again.hint) == (SongError, "no mix.", "E361", "look")
    songs = tuple(PlannedSong(name=name, folder=None, failure=missing) for name in ("one", "two"))
    plan = EvalPlan(songs=songs, systems=(System(name="x", kind="given", place="."),))
    outcomes = list(run.run_evaluation(plan, EvalRequest(library=tmp_path, systems=()), workers=2))
    assert [outcome.document["error"]["code"] for outcome in outcomes] == ["E361", "E361"]

"""A library in shares: none is missed, none done twice, and together they are what one run makes."""

import os
import time
from pathlib import Path

import pytest
from batch_library import entries, leftovers, results, start, write_library
from hypothesis import given
from hypothesis import strategies as st

from mixcli.batching.manifest import Manifest, write_line
from mixcli.batching.shards import Shard, share_of
from mixcli.errors import OutputError
from mixcli.mixing.folder_lock import FolderLock, refuse_if_held, refuse_if_shares_held

NAMES = ("A/One", "A/Two", "B/One", "C")


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library(tmp_path / "library", NAMES)


@given(st.lists(st.floats(0.5, 3600), max_size=60), st.integers(1, 9))
def test_every_song_is_in_one_share_and_no_share_has_more_than_the_mean_and_one_song(lengths_s, n_shares):
    names = [f"song {index}" for index in range(len(lengths_s))]
    shares = [share_of(lengths_s, names, Shard(index + 1, n_shares)) for index in range(n_shares)]
    assert sorted(index for share in shares for index in share) == list(range(len(names)))
    most_s = sum(lengths_s) / n_shares + max(lengths_s, default=0.0)
    assert all(sum(lengths_s[index] for index in share) <= most_s + 1e-6 for share in shares)


def test_the_order_in_which_songs_are_found_does_not_change_their_shares():
    lengths_s, names = [60.0, 240.0, 60.0, 180.0, 200.0], ["d", "a", "c", "e", "b"]
    shares = [{names[i] for i in share_of(lengths_s, names, Shard(n, 2))} for n in (1, 2)]
    turned = [{names[::-1][i] for i in share_of(lengths_s[::-1], names[::-1], Shard(n, 2))} for n in (1, 2)]
    assert shares == turned
    # By hand: a 240 | b 200; e 180 to the second: 380; then c 60 to the first, 300; d 60 to the first, 360.
    assert shares == [{"a", "c", "d"}, {"b", "e"}]


@pytest.mark.slow
def test_shares_at_the_same_time_make_what_one_run_makes(run, library):
    assert run("batch", "library", "-o", "whole", "-q")[0] == 0
    shares = [start(library.parent, "batch", "library", "--shard", f"{n}/2", "-j", "1") for n in (1, 2)]
    told = [share.communicate() for share in shares]
    assert [share.returncode for share in shares] == [0, 0], told
    made = [out.split() for out, _ in told]
    assert sorted(path for paths in made for path in paths) == sorted(
        f"mixes/{mix}" for mix in entries(Path("whole"))
    )
    assert results(Path("mixes")) == results(Path("whole"))
    assert sorted(path.name for path in Path("mixes").glob("*.*")) == [
        "manifest.1-of-2.jsonl",
        "manifest.2-of-2.jsonl",
    ]
    code, out, err = run("batch", "--merge", "--out", "mixes")
    assert (code, out) == (0, "mixes/index.html\n")
    assert "4 mixed, 0 failed; 4 new to the manifest" in err
    assert set(entries(Path("mixes"))) == set(entries(Path("whole")))
    assert not list(Path("mixes").glob("manifest.*-of-*"))
    assert leftovers(Path("mixes")) == []
    _, out, err = run("batch", "library")
    assert (out, "0 mixed, 4 up to date, 0 failed" in err) == ("", True)


@pytest.mark.slow
def test_a_share_knows_what_another_has_done_and_the_whole_takes_it_over(run, library):
    run("batch", "library", "--shard", "1/2", "-q", "-j", "1")
    done = len(list(Path("mixes").rglob("*.wav")))
    _, _, err = run("batch", "library", "--shard", "1/2")
    assert f"0 mixed, {done} up to date" in err
    _, _, err = run("batch", "library", "-j", "1")
    assert f"{4 - done} mixed, {done} up to date" in err
    assert len(entries(Path("mixes"))) == 4


def test_the_latest_word_on_a_mix_counts_whichever_journal_has_it(tmp_path):
    old = {"mix": "a.wav", "status": "error", "finished": "2026-01-01T00:00:00Z"}
    new = {"mix": "a.wav", "status": "ok", "finished": "2026-01-02T00:00:00Z"}
    (tmp_path / "one.jsonl").write_bytes(write_line(new))
    (tmp_path / "two.jsonl").write_bytes(write_line(old))
    for own, other in (("one", "two"), ("two", "one")):
        known = Manifest(tmp_path / f"{own}.jsonl", others=[tmp_path / f"{other}.jsonl"])
        assert known.entries["a.wav"]["status"] == "ok"


def test_the_whole_and_a_share_do_not_hold_a_folder_together_but_shares_do(tmp_path):
    with FolderLock(tmp_path, "whole"):
        refuse_if_shares_held(tmp_path)
        with pytest.raises(OutputError, match="whole") as caught:
            refuse_if_held(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("E509", 5)
    with FolderLock(tmp_path, "first", share="share-1-of-2"):
        refuse_if_held(tmp_path)
        with FolderLock(tmp_path, "second", share="share-2-of-2"):
            pass
        with pytest.raises(OutputError, match="first"):
            refuse_if_shares_held(tmp_path)
        with pytest.raises(OutputError, match="first"), FolderLock(tmp_path, "x", share="share-1-of-2"):
            pass
    refuse_if_shares_held(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_songs_that_changed_a_moment_ago_are_left_for_later(run, library):
    long_ago = time.time() - 3600
    for name in NAMES[1:]:
        for path in [library / name, *(library / name).iterdir()]:
            os.utime(path, (long_ago, long_ago))
    code, out, err = run("batch", "library", "--settle", "10m", "-n")
    assert (code, "3 of 4 songs to mix" in err) == (0, True)
    assert out.startswith("A/One: new, still changing")
    (library / "A/Two/Kick.wav").write_bytes(b"RIFF")  # a copy that has hardly begun is no failure
    code, out, err = run("batch", "library", "--settle", "10m", "-j", "1")
    assert (code, sorted(out.split())) == (0, ["mixes/B/One/One.wav", "mixes/C/C.wav"])
    assert "2 mixed, 0 up to date, 0 failed, 2 still changing" in err


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_share_that_is_none_is_refused(run, library, shard):
    code, _, err = run("batch", "library", f"--shard={shard}")
    assert (code, "error[E236]" in err) == (2, True)


def test_merging_names_what_is_not_there(run, library):
    assert "error[E237]" in run("batch", "-o", "mixes")[2]
    assert "error[E301]" in run("batch", "--merge", "-o", "mixes")[2]
    Path("mixes").mkdir()
    assert "error[E309]" in run("batch", "--merge", "gone.jsonl", "-o", "mixes")[2]

"""The journal of a batch: whatever happens to its last line, the lines before it hold."""

import errno
import json
import os

import pytest

from mixcli.batching.manifest import LINES_KEPT, Manifest, read_line, write_line
from mixcli.errors import OutputError


def entry(number, status="ok", **more):
    return {"mix": f"A/Söng {number}\udcff.wav", "status": status, "n": number, **more}


def written(path, entries):
    with Manifest(path) as manifest:
        for each in entries:
            manifest.add(each)
    return path.read_bytes()


def test_a_line_is_plain_json_and_says_what_was_written():
    line = write_line(entry(1, warnings=[{"code": "W321"}]))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    plain = json.loads(line)
    assert plain.pop("schema") == "mixcli.manifest/1"
    assert len(plain.pop("sum")) == 12
    assert plain == entry(1, warnings=[{"code": "W321"}]) == read_line(line)


def test_no_change_of_one_character_goes_unseen():
    line = write_line(entry(1))
    for place in range(len(line)):
        changed = bytearray(line)
        changed[place] ^= 1
        assert read_line(bytes(changed)) is None, line[place:]


def test_the_last_line_of_a_mix_counts(tmp_path):
    written(tmp_path / "m", [entry(1, "error"), entry(2), entry(1)])
    kept = Manifest(tmp_path / "m").entries
    assert [kept[mix]["status"] for mix in kept] == ["ok", "ok"]


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_goes_on(tmp_path):
    path = tmp_path / "manifest.jsonl"
    lines = [write_line(entry(number)) for number in range(3)]
    whole = b"".join(lines)
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        n_whole = whole[:length].count(b"\n")
        assert len(Manifest(path).entries) == n_whole
        assert path.read_bytes() == whole[:length]  # reading changes nothing
        with Manifest(path) as manifest:
            manifest.add(entry(9))
        assert path.read_bytes() == b"".join(lines[:n_whole]) + write_line(entry(9))


def test_a_damaged_line_costs_only_itself(tmp_path):
    path = tmp_path / "manifest.jsonl"
    lines = [write_line(entry(number)) for number in range(3)]
    path.write_bytes(lines[0] + b"\0\0\xff not a line\n" + lines[1][:20] + b"\n" + lines[2])
    manifest = Manifest(path)
    assert (len(manifest.entries), manifest.n_damaged) == (2, 2)
    with manifest:
        pass
    assert path.read_bytes() == lines[0] + lines[2]


def test_a_long_journal_is_written_anew_with_its_last_words(tmp_path):
    path = tmp_path / "manifest.jsonl"
    path.write_bytes(b"".join(write_line(entry(1, turn=turn)) for turn in range(LINES_KEPT + 3)))
    with Manifest(path) as manifest:
        assert path.read_bytes() == write_line(entry(1, turn=LINES_KEPT + 2))
        manifest.add(entry(2))
    assert len(Manifest(path).entries) == 2


def test_a_line_that_cannot_be_written_whole_is_taken_back(tmp_path, monkeypatch):
    path = tmp_path / "manifest.jsonl"
    before = written(path, [entry(1)])
    real, calls = os.write, []

    def full_disk(descriptor, data):
        calls.append(1)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "full")
        return real(descriptor, bytes(data)[:20])

    with Manifest(path) as manifest:
        monkeypatch.setattr(os, "write", full_disk)
        with pytest.raises(OutputError) as refused:
            manifest.add(entry(2))
        monkeypatch.undo()
        assert refused.value.code == "E502"
        assert path.read_bytes() == before
        manifest.add(entry(3))
    assert [each["n"] for each in Manifest(path).entries.values()] == [1, 3]

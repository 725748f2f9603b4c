"""What a batch leaves to read: the table, the page, and the documents, as the pages of docs/ have them."""

import csv
import dataclasses
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from batch_library import entries, start, write_library
from test_docs import documented_keys, keys_of, page, rows, section
from typer.main import get_command

from mixcli.batching.summary import COLUMNS, summary_csv, summary_page
from mixcli.cli.batch_options import BatchOptions
from mixcli.cli.batch_readers import reader_may_leave
from mixcli.cli.main import app
from mixcli.cli.options import MixOptions


class Links(HTMLParser):
    """The addresses of a page, and the elements that could load something."""

    def __init__(self):
        super().__init__()
        self.links, self.loaded = [], []

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        if tag == "a":
            self.links.append(known["href"])
        if known.get("src") or tag in ("link", "iframe", "img", "object"):
            self.loaded.append(tag)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A mixed library with odd names and a broken song, and the events of the run."""
    folder = tmp_path_factory.mktemp("mixed")
    write_library(folder / "library", ("A & B/100% <Söng> #1?", "A & B/Broken"))
    (folder / "library/A & B/Broken/Kick.wav").write_bytes(b"")
    process = start(folder, "batch", "library", "-j", "1", "--progress", "json", "--json")
    out, err = process.communicate()
    assert process.returncode == 10, err
    return folder, json.loads(out), [json.loads(line) for line in err.splitlines()]


def test_the_page_links_to_files_that_are_there_and_loads_nothing(mixed):
    out = mixed[0] / "mixes"
    text = (out / "index.html").read_text("utf-8")
    links = Links()
    links.feed(text)
    assert len(links.links) == 4  # mix, recipe, result; the log of the broken song
    assert all((out / unquote(link)).is_file() for link in links.links)
    assert (links.loaded, re.findall(r"https?://", text)) == ([], [])
    assert "1 mix, 1 failed" in text
    assert "E311: cannot read &quot;Kick.wav&quot;" in text


def test_the_table_says_what_the_results_say(mixed):
    out = mixed[0] / "mixes"
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        table = {row["mix"]: row for row in csv.DictReader(file)}
    assert [(row["status"], row["error"]) for row in table.values()] == [("ok", ""), ("error", "E311")]
    (mix, row), *_ = table.items()
    result = json.loads((out / mix).with_suffix(".mix.json").read_text("utf-8"))
    output = result["outputs"][0]
    assert float(row["integrated_lufs"]) == output["integrated_lufs"]
    assert float(row["true_peak_dbtp"]) == output["true_peak_dbtp"]
    assert float(row["duration_s"]) == result["song"]["duration"]


def test_names_that_are_no_text_and_missing_figures_can_be_written():
    odd = {"mix": "\udcff/<b>.wav", "status": "ok", "folder": "\udcff", "duration": None, "stems": 2}
    text = summary_page([odd, {"mix": "x.wav", "status": "error"}], n_left=3)
    text.encode("utf-8")
    assert "<b>" not in text
    assert "./%FF/%3Cb%3E.wav" in text
    assert "3 songs: the same command goes on" in text
    assert summary_csv([odd]).splitlines()[0].split(",") == list(COLUMNS)
    inside = re.search(r"<main>.*</main>", text, re.S)
    ElementTree.fromstring(inside[0].replace("<br>", "<br/>"))  # every element is closed


def test_the_events_tell_a_run_from_its_plan_to_its_end(mixed):
    events = mixed[2]
    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("plan", "end")
    ended = {event["song"]: event for event in events if event["event"] == "song_end"}
    assert [event["status"] for event in ended.values()] in (["ok", "error"], ["error", "ok"])
    assert ended["A & B/Broken"]["error"] == "E311"
    assert events[-1]["exit_code"] == 10
    documented = {
        cells[0].strip("`"): set(re.findall(r"`(\w+)`", cells[1]))
        for cells in rows(section(page("json.md"), "Events of a batch"))
    }
    for event in events:
        assert set(event) - {"event"} == documented[event["event"]], event


def test_the_keys_of_manifest_and_plan_are_those_documented(mixed, run, monkeypatch):
    folder, document, _ = mixed
    known = set().union(*(keys_of(entry) for entry in entries(folder / "mixes").values()))
    rows_of_notices = ("warnings[].", "errors[].")
    assert {key for key in known if not key.startswith(rows_of_notices)} | {"warnings[]"} == documented_keys(
        "mixcli.manifest/1"
    )
    assert keys_of({**document, "songs": []}) == documented_keys("mixcli.batch/1")
    monkeypatch.chdir(folder)
    plan = json.loads(run("batch", "library", "-n", "--json")[1])
    found = {key for key in keys_of(plan) if not key.startswith("songs[].error.")}
    assert found == documented_keys("mixcli.batch-plan/1")


def test_every_option_of_batch_is_on_its_page():
    shared = {field.name for field in dataclasses.fields(MixOptions)} - {
        "dry_run",
        "json",
        "quiet",
        "if_exists",
    }
    (command,) = [each for name, each in get_command(app).commands.items() if name == "batch"]
    names = {field.name for field in dataclasses.fields(BatchOptions)} - shared
    text = page("batch.md")
    words = set(re.findall(r"(?<![\w-])--?[a-z0-9-]+", text))
    for parameter in command.params:
        if parameter.name in names:
            options = [option for option in parameter.opts if option.startswith("-")]
            assert words.intersection(options), options


def test_a_stream_whose_reader_has_gone_leads_nowhere():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        for _ in range(2):
            with reader_may_leave(stream):
                stream.write("told\n")
                stream.flush()
        assert os.path.samestat(os.fstat(stream.fileno()), os.stat(os.devnull))

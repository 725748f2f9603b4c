"""docs/model.md says what the networks are: every key, range, default, size and picture."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from mixcli.engine.windows import OVERLAP, WINDOW
from mixcli.models.checkpoint import build_model
from mixcli.models.settings import BASE, DEMUCS, PAPER, TOOLKIT, ModelSettings

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs" / "model.md").read_text("utf-8")


def n_parameters(settings: ModelSettings) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build_model(settings).parameters())


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = PAGE.split(f"\n{heading}\n")[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| "))
    stop = next(number for number, line in enumerate(lines) if number > start and not line.startswith("|"))
    return [[cell.strip(" `") for cell in line[1:-1].split("|")] for line in lines[start + 2 : stop]]


@pytest.mark.parametrize("settings", [PAPER, TOOLKIT, DEMUCS], ids=lambda settings: settings.layout)
def test_every_option_of_a_layout_is_documented_with_its_range_and_default(settings):
    rows = {cells[0]: cells[1:3] for cells in table(f"### {settings.layout}") if cells[0]}
    schema = type(settings.network).model_json_schema()["properties"]
    assert list(rows) == list(schema)
    for key, entry in schema.items():
        bounds, default = rows[key]
        assert default == (json.dumps(entry["default"]).strip('"')), key
        if "enum" in entry:
            assert bounds == ", ".join(entry["enum"])
        elif entry["type"] == "boolean":
            assert bounds == "true, false"
        elif key != "down_kernel" or settings is not TOOLKIT:  # a learned halving needs three taps
            low = f"{entry['minimum']:g}" if "minimum" in entry else f"above {entry['exclusiveMinimum']:g}"
            assert bounds.split(",")[0] == f"{low} to {entry['maximum']:g}", key


def test_the_sizes_of_the_layouts_and_of_every_option_are_as_stated():
    rows = {cells[0]: cells[1:] for cells in table("## Four layouts")}
    for column, settings in enumerate((BASE, PAPER, TOOLKIT, DEMUCS)):
        assert rows["parameters"][column] == f"{n_parameters(settings):,}"
        assert rows["family (`layout`)"][column] == settings.layout
    key = ""
    for cells in table("### mix_wave_u_net"):
        key = cells[0] or key
        kind = type(getattr(PAPER.network, key))
        value = {"true": True, "false": False}[cells[3]] if kind is bool else kind(cells[3])
        network = PAPER.network.model_copy(update={key: value})
        assert cells[4] == f"{n_parameters(PAPER.model_copy(update={'network': network})):,}", key


def test_what_is_said_of_reach_and_windows_is_so():
    rows = {cells[0]: cells[1:] for cells in table("## Four layouts")}
    with torch.device("meta"):
        networks = [build_model(settings) for settings in (BASE, PAPER, TOOLKIT)]
    seconds = [f"{network.reach / 44_100:.2f} s" for network in networks]
    assert rows["hears to either side"][:2] == seconds[:2]
    assert rows["hears to either side"][2:] == ["1.7 s", f"the whole of a window, {WINDOW / 44_100:.1f} s"]
    assert seconds[2] == "1.67 s"
    assert f"windows of {WINDOW:,} samples with {OVERLAP:,} in common" in " ".join(PAGE.split())


@pytest.mark.slow
def test_the_pictures_are_those_that_the_networks_draw(tmp_path):
    script = REPOSITORY / "benchmarks" / "draw_networks.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    drawn = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (REPOSITORY / "docs" / "pictures").glob("network*.svg")}
    kept["behind-the-console.svg"] = (REPOSITORY / "docs/pictures/behind-the-console.svg").read_bytes()
    assert drawn == kept
    for name, content in drawn.items():
        assert ElementTree.fromstring(content).tag.endswith("svg")
        assert f"(pictures/{name})" in PAGE

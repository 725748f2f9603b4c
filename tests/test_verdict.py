"""The verdict and what a report says of systems, sets, settings and files."""

import copy
import re

import pytest
from made_up_evaluation import SYSTEMS, made_up_document, with_more_baselines
from read_page import Reader, column_of

from mixcli.reporting.eval_report import eval_report
from mixcli.reporting.naming import PATH_LENGTH, measure_name, shown_path


@pytest.fixture(scope="module")
def document():
    return made_up_document()


@pytest.fixture(scope="module")
def page(document):
    return eval_report(document, {})


@pytest.mark.parametrize(
    ("key", "head", "choose"), [("tone_db", "tone, dB", min), ("timbre_match", "timbre match", max)]
)
def test_the_best_of_a_column_is_marked(document, page, key, head, choose):
    medians = {one["system"]: one["median"] for one in document["summary"] if one["key"] == key}
    marked = [system for system, cell in column_of(page, head).items() if "★" in cell]
    assert marked == [choose(medians, key=medians.get)]


def test_systems_are_rows_the_nearest_first_and_the_index_is_the_first_column(document):
    changed = copy.deepcopy(document)
    changed["index"].reverse()
    changed["index"][0]["value"], changed["index"][3]["value"] = 0.2, None
    values = {one["system"]: one["value"] for one in changed["index"] if one["value"] is not None}
    page = eval_report(changed, {})
    (unrated,) = {system["name"] for system in SYSTEMS} - set(values)
    assert list(column_of(page, "index")) == [*sorted(values, key=values.get), unrated]
    heads = re.search(r"<thead>.*?</thead>", page[page.index('id="verdict"') :]).group(0)
    assert re.findall(r"<th [^>]*>([^<]*)", heads)[:3] == ["system", "index", "balance, dB"]


def test_the_oracle_is_shown_but_does_not_compete(document):
    changed = copy.deepcopy(document)
    changed["systems"] = [*SYSTEMS, {"name": "oracle", "kind": "baseline"}]
    changed["index"].append({"system": "oracle", "value": 0.1, "low": 0.1, "high": 0.1})
    changed["summary"].append({**changed["summary"][0], "system": "oracle", "median": 0.0})
    page = eval_report(changed, {})
    assert "By the index, mixcli (0.40) is nearest" in page
    for head in ("index", "balance, dB"):
        column = column_of(page, head)
        assert "★" not in column["oracle"]
        assert sum("★" in cell for cell in column.values()) == 1


def test_the_words_come_from_the_settings(document):
    changed = {**document, "settings": {"level_lufs": -23.0, "anchor": "sum"}}
    text = Reader(eval_report(changed, {})).text
    assert "mixes and references at −23 LUFS" in text
    assert "distances over those of the baseline sum," in text
    assert "LUFS (ITU" not in Reader(eval_report({**document, "settings": {}}, {})).text


def test_distances_of_sets_are_shown_where_there_are_any(document):
    rows = [
        {"system": system["name"], "n_excerpts": 12, "frechet": None, "kernel_distance": None}
        for system in SYSTEMS
    ]
    assert "As sets of mixes" not in eval_report({**document, "sets": rows}, {})
    rows[1] |= {"frechet": 3.25, "kernel_distance": -0.5}
    text = Reader(eval_report({**document, "sets": rows}, {})).text
    assert "3 megami 12 3.25 −0.50" in text
    assert "Sets of different sizes cannot be compared" in text
    assert "differ in size" not in text
    rows[2] |= {"n_excerpts": 30, "frechet": 1.0}
    assert "the sets here differ in size" in Reader(eval_report({**document, "sets": rows}, {})).text


def test_long_paths_are_short_and_whole_under_the_mouse(document):
    changed = copy.deepcopy(document)
    folder = "/studio/archive/2026/evaluations/of-the-year/first-round"
    inside, outside = f"{folder}/mixes/mixcli/rock.wav", f"{folder}-references/rock/mix-of-the-engineer.flac"
    changed["songs"][0]["scores"][0]["file"] = inside
    changed["songs"][0]["reference"]["file"] = outside
    read = Reader(eval_report(changed, {}, folder=folder))
    assert {inside, outside} <= {attributes.get("title") for _, attributes in read.elements}
    assert " mixes/mixcli/rock.wav" in read.text
    assert inside not in read.text
    assert outside not in read.text
    assert "/…/rock/mix-of-the-engineer.flac" in read.text


@pytest.mark.parametrize(
    "path",
    ["mix.flac", "/a/b.wav", "x" * 300, "/a" * 100, f"/{'x' * 60}/{'y' * 60}/z.wav", f"/a/b/{'z' * 49}.wav"],
)
def test_a_shown_path_is_never_long_and_keeps_the_end(path):
    shown = shown_path(path)
    assert len(shown) <= PATH_LENGTH
    assert shown[-5:] == path[-5:]
    assert (shown == path) == (len(path) <= PATH_LENGTH)


@pytest.mark.parametrize(
    ("key", "unit", "name"),
    [
        ("balance_db", "dB", "balance, dB"),
        ("features", "", "features"),
        ("masked_share", "%", "masked share, %"),
        ("integrated_lufs_error", "LU", "integrated lufs error, LU"),
    ],
)
def test_a_measure_is_called_by_its_key_in_words_and_its_unit(key, unit, name):
    assert measure_name({"key": key, "unit": unit}) == name


def test_with_many_systems_the_baselines_begin_hidden_and_their_balance_folded(document, page):
    assert not re.search(r'data-number="\d+"[^>]*aria-pressed="false"', page)
    assert "Balance of the baselines" not in page
    page = eval_report(with_more_baselines(document), {})
    legend = re.search(r'<ul class="legend".*?</ul>', page, re.DOTALL).group(0)
    pressed = dict(re.findall(r'data-number="(\d+)"[^>]*aria-pressed="(\w+)"', legend))
    assert [pressed[str(number)] for number in range(1, 10)] == ["true"] * 5 + ["false"] * 4
    assert "All baselines" in legend
    assert page.count("<summary>Balance of the baselines</summary>") == 3


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([0, 0, 0, 0, 0, 0], "Every mix lies on its reference as it is. The reference came at −18.30 LUFS."),
        ([0, 441, 0, 0, 0, 0], "Moved: megami by 10.00 ms. The"),
        (
            [0, 441, 441, 441, -882, 0],
            "4 of 6 mixes were moved to fit the reference, by −20.00 to 10.00 ms. The",
        ),
        ([441, 441, 441, 441, 441, 441], "6 of 6 mixes were moved to fit the reference, by 10.00 ms. The"),
    ],
)
def test_what_was_moved_is_told_in_a_sentence(document, delays, expected):
    changed = copy.deepcopy(document)
    for score, delay in zip(changed["songs"][0]["scores"], delays, strict=True):
        score["alignment"] = {
            "delay_samples": delay,
            "delay_ms": delay / 44.1,
            "inverted": False,
            "certain": True,
        }
    assert expected in Reader(eval_report(changed, {})).text
    changed["songs"][0]["scores"][0]["alignment"] |= {"inverted": True, "certain": False}
    assert "polarity inverted: mixcli; uncertain: mixcli. The" in Reader(
        eval_report(changed, {})
    ).text.replace("Polarity", "polarity")

"""The report of an evaluation: all of it in one file, nothing asked of the world, every text a text."""

import base64
import copy
import hashlib
import re
from itertools import pairwise

import pytest
from made_up_evaluation import MEASURES, SONGS, SYSTEMS, made_up_audio, made_up_document
from read_page import Reader, column_of

from mixcli.reporting.eval_report import eval_report


@pytest.fixture(scope="module")
def document():
    return made_up_document()


@pytest.fixture(scope="module")
def page(document):
    return eval_report(document, made_up_audio(document, seconds=0.5, rate=8_000))


@pytest.fixture(scope="module")
def read(page):
    return Reader(page)


def test_everything_opened_is_closed(read):
    assert read.wrong == []
    assert read.open == []


def test_nothing_is_asked_of_the_world(page, read):
    for tag, attributes in read.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset", "formaction", "xlink:href"):
            if name in attributes:
                assert attributes[name].startswith(("data:audio/flac;base64,", "#")), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert tag not in ("link", "iframe", "object", "embed", "base", "img")
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_lets_only_the_page_s_own_script_and_style_run(page, read):
    (policy,) = [a["content"] for tag, a in read.elements if tag == "meta" and "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    for kind in ("script", "style"):
        (content,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_a_name_that_looks_like_a_script_is_only_a_name(page, read):
    assert [tag for tag, _ in read.elements].count("script") == 1
    assert "<script>alert(1)</script>" in read.text
    assert "<script>alert" not in page


def test_every_song_system_and_measure_is_there(read):
    for name in [*SONGS, *(system["name"] for system in SYSTEMS), *(key for key, *_ in MEASURES)]:
        assert name in read.text
    assert "remarkably long name (feat. Everybody & Nobody) [Live]" in read.text


def test_ids_are_unique_and_links_lead_somewhere(read):
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {a["href"][1:] for tag, a in read.elements if tag == "a"} <= set(ids)


def test_headings_go_down_one_level_at_a_time(read):
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_values_that_do_not_exist_are_dashes_and_fewer_songs_are_told(page):
    assert column_of(page, "width error, dB")["sum"] == "–"
    assert "n = 2" in column_of(page, "tone, dB")["fxnorm"]
    assert "None" not in re.sub(r"data:[^\"]*|<script>.*</script>", "", page, flags=re.DOTALL).replace(
        "None found in any mix", ""
    )


def test_a_failed_score_is_told_at_the_top_and_in_its_song(read):
    assert read.text.count("cannot be read as audio: <bad header>") == 2
    assert "no score for 1 of 3 songs" in read.text  # in the verdict's row
    assert "Requirement failed: must not be tone_db>3 (1.94)" in read.text
    assert "Warning W204: alignment is uncertain (mixes/sum/rock.wav)" in read.text


def test_the_players_have_the_numbers_of_the_pictures(page):
    players = re.findall(r'<section class="player".*?</section>', page, re.DOTALL)
    assert len(players) == 3
    assert ["".join(re.findall(r'data-key="(\d)"', player)) for player in players] == ["1234567"] * 2 + [
        "123467"
    ]
    assert [len(re.findall(r"<audio ", player)) for player in players] == [7, 7, 6]


def test_every_picture_says_what_it_is(page, read):
    pictures = re.findall(r'<svg class="chart .*?</svg>', page, re.DOTALL)
    assert len(pictures) > 25
    for picture in pictures:
        assert re.search(r'role="img"><title>[^<]+</title><desc>[^<]+</desc>', picture)


def test_a_tone_picture_names_the_farthest_band(document):
    changed = copy.deepcopy(document)
    changed["songs"][0]["scores"][1]["curves"]["spectrum_db"][10] += 40
    text = eval_report(changed, {})
    assert re.search(r"Farthest: megami, \+[34]\d\.\d dB at 315 Hz", text)


def test_balance_is_told_beside_the_reference_without_the_common_gain(document):
    changed = copy.deepcopy(document)
    reference = changed["songs"][0]["reference"]["curves"]["balance_db"]
    levels = [level + 5.0 for level in reference]  # louder as a whole: no change of balance
    levels[0] += 7.0  # and the kick: +6 and the others -1 about their mean
    changed["songs"][0]["scores"][0]["curves"]["balance_db"] = levels
    text = eval_report(changed, {})
    assert "01_Kick.flac, mixcli: 6 dB" in text
    assert "02_Snare.flac, mixcli: −1 dB" in text


def test_many_stems_make_several_pictures_on_one_scale():
    text = eval_report(made_up_document(n_stems=21), {})
    assert "Balance, stems 1 to 7 of 21" in text
    assert "Balance, stems 15 to 21 of 21" in text


def test_few_songs_are_admitted_and_many_are_not_bemoaned(document, read):
    assert "There are only 3 songs." in read.text
    assert "cannot give less than p = 0.25" in read.text
    many = {**document, "songs": [{**document["songs"][0], "name": f"song {n}"} for n in range(12)]}
    assert "There are only" not in Reader(eval_report(many, {})).text


def _without_reference(document):
    for song in document["songs"]:
        song["reference"] = None
        for score in song["scores"]:
            score |= {"alignment": None, "file": None}
            if score["status"] == "ok":
                score["level"]["reference_lufs"] = None


def _with_a_failed_song(document):
    document["songs"][1] = {
        "name": "lost", "folder": None, "status": "error",
        "error": {"code": "E602", "message": "killed <9>", "hint": "Fewer at once."},
        "labels": {}, "duration_s": None, "sample_rate": None, "stems": [], "reference": None, "scores": [],
        "warnings": [],
    }  # fmt: skip


def _without_numbers(document):
    for song in document["songs"]:
        for part in [song["reference"], *song["scores"]]:
            if part.get("curves"):
                part["curves"] = {key: [None] * len(curve) for key, curve in part["curves"].items()}
                part["values"] = dict.fromkeys(part["values"])
    for entry in document["summary"] + document["index"] + document["comparisons"]:
        entry |= {key: None for key in entry if key not in ("system", "key", "other", "n")}


def _without_curves(document):
    for song in document["songs"]:
        for part in [song["reference"], *song["scores"]]:
            part["curves"] = {}


def _with_nothing(document):
    for name in ("songs", "summary", "index", "comparisons", "groups", "requirements", "warnings"):
        document[name] = []


def test_a_failed_song_is_told_at_the_top_in_the_contents_in_the_verdict_and_in_its_place(document):
    changed = copy.deepcopy(document)
    _with_a_failed_song(changed)
    page = eval_report(changed, {})
    text = Reader(page).text
    assert "The song lost failed: killed <9>. Fewer at once (E602)" in text
    assert text.count("killed <9>") == 2
    assert '<a href="#song-2">lost (failed)</a>' in page
    assert '<h2>lost <small class="bad">failed</small></h2>' in page
    assert "no score for 1 of 3 songs" in text
    assert "no score for 2 of 3 songs" in text  # fxnorm failed in another song as well


@pytest.mark.parametrize(
    "change", [_without_reference, _with_a_failed_song, _without_numbers, _without_curves, _with_nothing]
)
def test_a_report_is_made_of_whatever_there_is(document, change):
    changed = copy.deepcopy(document)
    change(changed)
    read = Reader(eval_report(changed, {}))
    assert (read.wrong, read.open) == ([], [])
    assert "nan" not in read.text.split()


def test_a_report_without_sound_is_small(document):
    assert len(eval_report(document, {})) < 250_000


def test_the_same_document_gives_the_same_page(document):
    assert eval_report(document, {}) == eval_report(copy.deepcopy(document), {})


def test_the_scripts_stay_small(page):
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL).group(1)
    assert script.count("\n") < 400
    for word in ("eval(", "innerHTML", "document.write", "fetch(", "XMLHttpRequest", "import("):
        assert word not in script

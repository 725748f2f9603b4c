"""The page of a listening test as text: complete in itself, escaped, and blind."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile

from mixcli.evaluation.listening_plan import Criterion, page_document, plan_listening, stimulus_sources
from mixcli.reporting.excerpts import flac_data_uri
from mixcli.reporting.html import asset
from mixcli.reporting.listening_page import SCRIPTS, listening_page

SYSTEMS = ("zebra-net", "quokka-mix", "ibex-console")
RATE = 8_000


def tone_uri(frequency_hz):
    time_s = np.arange(RATE) / RATE
    tone_T = (0.1 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)
    return flac_data_uri(np.stack([tone_T, tone_T], axis=1), RATE)


@pytest.fixture(scope="module")
def plan():
    return plan_listening([("rock", SYSTEMS), ("jazz", SYSTEMS)], repeats=1)


@pytest.fixture(scope="module")
def audio(plan):
    """A tone for each system, so that what is heard tells which it is."""
    return {
        stimulus: tone_uri(300 + 100 * SYSTEMS.index(system))
        for stimulus, (_, system) in stimulus_sources(plan).items()
    }


@pytest.fixture(scope="module")
def text(plan, audio):
    return listening_page(page_document(plan), audio)


def blocks(text):
    """Ids and contents of the audio in the page, in its order."""
    return re.findall(r'<script type="text/plain" id="audio-(\w+)">([^<]*)</script>', text)


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="page">(.*?)</script>', text)[1])


def test_the_page_names_no_system_anywhere_not_in_tags_of_the_audio_either(plan, text):
    for uri in (uri for _, uri in blocks(text)):
        content = base64.b64decode(uri.partition(",")[2])
        assert not [name for name in SYSTEMS if name.encode() in content]
        assert soundfile.SoundFile(io.BytesIO(content)).copy_metadata() == {}
    assert not [name for name in SYSTEMS if name in text]
    assert sorted(data_of(text)["trials"][0]) == ["id", "offered", "offered_as", "song", "stimuli"]


def test_every_stimulus_has_its_audio_and_the_order_is_that_of_the_ids(plan, audio, text):
    found = blocks(text)
    assert dict(found) == audio
    assert [stimulus for stimulus, _ in found] == sorted(audio)


def test_the_order_of_the_audio_hangs_on_the_seed():
    """Which system's audio stands first in the page is not always the same."""
    first = set()
    for seed in range(12):
        plan = plan_listening([("rock", SYSTEMS)], seed=seed)
        sources = stimulus_sources(plan)
        page = listening_page(page_document(plan), dict.fromkeys(sources, "data:audio/flac;base64,AAAA"))
        first.add(sources[blocks(page)[0][0]][1])
    assert first == set(SYSTEMS)


def test_the_same_plan_and_audio_give_the_same_page(plan, audio, text):
    assert listening_page(page_document(plan), dict(reversed(audio.items()))) == text


def test_the_page_asks_for_nothing_outside_itself(text):
    assert "default-src 'none'" in text
    assert not re.search(
        r"(?:https?:)?//[a-z]+\.|<link|<img|\bsrc=|@import|url\(|fetch\(|XMLHttpRequest", text
    )


def test_words_from_outside_are_escaped():
    odd = "</script><script>alert(1)</script> & \u2028 ü"
    criterion = Criterion(odd, odd, odd, odd)
    plan = plan_listening([(odd, SYSTEMS)], criteria=[criterion])
    audio = dict.fromkeys(stimulus_sources(plan), "data:audio/flac;base64,AAAA")
    text = listening_page(page_document(plan), audio, title=odd, instructions=[odd])
    assert "<script>alert" not in text
    assert text.count("</script>") == 1 + len(audio) + 1
    data = data_of(text)
    assert data["title"] == odd
    assert data["instructions"] == [odd]
    assert data["trials"][0]["song"] == odd
    assert data["criteria"][0]["question"] == odd


def test_the_style_of_the_test_decides_what_listeners_are_told(plan, audio):
    mushra = plan_listening([("rock", SYSTEMS)], style="mushra")
    silence = dict.fromkeys(stimulus_sources(mushra), "data:audio/flac;base64,AAAA")
    told = " ".join(data_of(listening_page(page_document(mushra), silence))["instructions"])
    assert "One of the mixes is the reference itself" in told
    assert "plain sum" in told
    assert "reference" not in " ".join(data_of(listening_page(page_document(plan), audio))["instructions"])


@pytest.mark.parametrize(
    "wrong",
    [None, "", "data:text/html;base64,AAAA", "data:audio/flac;base64,</script>", "https://a.example/x"],
)
def test_audio_that_is_missing_or_no_data_address_is_refused(plan, audio, wrong):
    stimulus = next(iter(audio))
    other = {key: uri for key, uri in audio.items() if key != stimulus}
    if wrong is not None:
        other[stimulus] = wrong
    with pytest.raises(ValueError, match=stimulus):
        listening_page(page_document(plan), other)


def test_the_scripts_never_take_text_for_markup():
    for name in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(", asset(name)), (
            name
        )

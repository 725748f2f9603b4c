"""From folders to prepared songs: what a network learns from is what it gets when it mixes."""

import json
import re
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import soxr
import torch
from conftest import write_wav
from dataset_trees import (
    PANS,
    RATE,
    WRITERS,
    delayed,
    enst_mix,
    mixed,
    overhead_pair,
    panned,
    sounds,
    write,
    write_enst,
    write_folders,
    write_medleydb,
    write_moisesdb,
    write_slakh2100,
)
from synthesis_material import song_bytes

from mixcli.engine import direct, residual
from mixcli.engine.prepare import InputReader, plan_inputs
from mixcli.errors import SongError
from mixcli.models.checkpoint import build_model, save_model
from mixcli.models.settings import BUS_INPUTS, PAPER_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.songs.dataset_manifest import COLUMNS
from mixcli.songs.dataset_song import DatasetLayout
from mixcli.synthesis.fluid import FONT_PLACES
from mixcli.synthesis.sessions import read_source, render, session_plans
from mixcli.training.align import LEAST_COHERENCE, LIMIT_S
from mixcli.training.cache import N_PAGES
from mixcli.training.census import census, census_document
from mixcli.training.prepare_dataset import DataOptions, PreparedSong, RefusedSong, prepare_dataset
from mixcli.training.prepare_session import session_song
from mixcli.training.unmix_options import UnmixOptions

fluidsynth = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not any(list(place.glob("*.sf2")) for place in FONT_PLACES),
    reason="fluidsynth or a General MIDI sound font is not installed",
)
SHARED = Path(__file__).parents[1].parent / "shared" / "data"
KIT = {"Kick": 60, "Snare": 190, "HiHat": 400, "Tom 1": 110, "Tom 2": 90, "OH L": 150, "OH R": 155}
SMALL = MixWaveUNetSettings(depth=1, channel_growth=2, bias=False)
DRUMS = ModelSettings(inputs=PAPER_INPUTS, sample_rate=RATE, network=SMALL)
BUSES = ModelSettings(inputs=BUS_INPUTS, outputs="residual", sample_rate=RATE, network=SMALL)


def prepared(source, model, cache, **options):
    return list(prepare_dataset([str(source)], model, DataOptions(**options), cache))


def by_name(source, model, cache, **options):
    return {item.name: item for item in prepared(source, model, cache, **options)}


@pytest.fixture
def heard_by_network(monkeypatch):
    """Everything that mixing pushes into a network, [K, T]."""
    blocks = []

    def tapped(opened):
        def open_tapped(module):
            stream = opened(module)
            push = stream.push

            def listen(block_KT, *, last=False):
                blocks.append(block_KT.clone())
                return push(block_KT, last=last)

            stream.push = listen
            return stream

        return open_tapped

    for module in (direct, residual):
        monkeypatch.setattr(module, "open_stream", tapped(module.open_stream))
    return lambda: torch.cat(blocks, dim=1)


def with_mix(song):
    """Write the plain sum of a song's stems beside them."""
    stems = [soundfile.read(path)[0] for path in sorted(song.glob("*.wav"))]
    write_wav(song / "Full Mix.wav", 0.5 * sum(stems))
    return song


KINDS = [("stems", 11_025), ("stems at one peak", RATE), ("buses", RATE), ("buses", 11_025)]


@pytest.mark.parametrize(("kind", "model_rate"), KINDS)
def test_a_prepared_input_is_what_mix_feeds_the_network(
    kind, model_rate, run, make_song, tmp_path, heard_by_network
):
    settings = BUSES if kind == "buses" else DRUMS
    changes = {"sample_rate": model_rate, "input_peak_dbfs": -12.0 if kind == "stems at one peak" else None}
    settings = settings.model_copy(update=changes)
    song = with_mix(make_song("songs/Song", seconds=2.5, stems=KIT))
    network = build_model(settings)
    save_model(tmp_path / "net.safetensors", network, settings)
    code, _, err = run("mix", song, "-m", tmp_path / "net.safetensors", "-o", tmp_path / "out")
    assert code == 0, err
    [item] = prepared(tmp_path / "songs", settings, tmp_path / "cache")
    assert isinstance(item, PreparedSong), item
    inputs_KT = torch.from_numpy(np.array(item.inputs_KT))
    assert torch.equal(inputs_KT, heard_by_network())
    assert inputs_KT.abs().amax(dim=1).count_nonzero() >= 6
    assert item.inputs_KT.shape[1] == -(-20_000 * model_rate // RATE)


@pytest.mark.parametrize("delay", [0, 211, -190])
def test_the_target_is_the_mix_on_the_time_and_polarity_of_the_stems(delay, tmp_path):
    write_folders(tmp_path / "songs", songs=("Ann - One",), seconds=4.0)
    path = tmp_path / "songs" / "Ann - One" / "Full Mix.wav"
    mix_TC = mixed(sounds(0, 4.0))
    write(path, -delayed(mix_TC, delay))
    [item] = prepared(tmp_path / "songs", BUSES, tmp_path / "cache")
    lost = abs(delay)
    expected_TC = mix_TC.copy()
    if delay > 0:
        expected_TC[len(mix_TC) - lost :] = 0  # what the file does not hold
    elif delay < 0:
        expected_TC[:lost] = 0
    assert np.array_equal(item.target_CT.T, expected_TC)
    [facts] = [json.loads(path.read_text())["facts"] for path in (tmp_path / "cache").glob("*.json")]
    assert facts["delay_s"] == -delay / RATE
    assert facts["inverted"]


def test_the_target_is_resampled_as_the_inputs_are(tmp_path):
    write_folders(tmp_path / "songs", songs=("Ann - One",))
    model = BUSES.model_copy(update={"sample_rate": 11_025})
    [item] = prepared(tmp_path / "songs", model, tmp_path / "cache")
    assert item.sample_rate == 11_025
    expected_TC = soxr.resample(mixed(sounds(0)), RATE, 11_025, quality="HQ")
    n_samples = min(len(expected_TC), item.n_samples)
    assert np.abs(item.target_CT.T[:n_samples] - expected_TC[:n_samples]).max() < 1e-6
    assert item.target_CT.shape == (2, item.n_samples)


def test_a_mix_of_another_song_is_refused_with_the_reason_and_the_rest_goes_on(tmp_path):
    write_folders(tmp_path / "songs", songs=("Ann - One", "Bob - Two"), seconds=3.0)
    write(tmp_path / "songs" / "Bob - Two" / "Full Mix.wav", mixed(sounds(77, 3.0)))
    found = by_name(tmp_path / "songs", BUSES, tmp_path / "cache")
    assert isinstance(found["Bob - Two"], RefusedSong)
    assert "stems and mix" in found["Bob - Two"].reason
    assert isinstance(found["Ann - One"], PreparedSong)
    again = by_name(tmp_path / "songs", BUSES, tmp_path / "cache")
    assert again["Bob - Two"] == found["Bob - Two"]


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_is_prepared_for_a_network_behind_the_console(layout, tmp_path):
    source = WRITERS[layout](tmp_path / "data")
    found = prepared(source, BUSES, tmp_path / "cache", equal_loudness=True, most_songs=1)
    assert len(found) == 1
    assert all(isinstance(item, PreparedSong) for item in found), found
    for item in found:
        assert item.inputs_KT.shape == (18, item.n_samples)
        assert item.target_CT.shape == (2, item.n_samples)
        assert item.inputs_KT.dtype == item.target_CT.dtype == np.float32
        assert np.abs(item.target_CT).max() > 0.01


def test_enst_drums_reach_the_inputs_of_the_paper(tmp_path):
    write_enst(tmp_path / "enst", takes=("050_phrase_rock_sticks",))
    found = by_name(tmp_path / "enst", DRUMS, tmp_path / "cache", drums="dry")
    stems = sounds(10)
    item = found["drummer_1/050_phrase_rock_sticks"]
    overheads = overhead_pair(stems)
    # hi-hat, kick, overheads, snare, toms 1 to 3: the first drummer has no third
    expected = [
        stems["hat"],
        stems["kick"],
        *overheads.T,
        stems["snare"],
        stems["vocal"],
        np.roll(stems["vocal"], 300),
    ]
    assert np.array_equal(item.inputs_KT[:7], np.array(expected))
    assert not item.inputs_KT[7].any()
    assert np.array_equal(item.target_CT.T, enst_mix(stems))
    assert {each.group for each in found.values()} == {"drummer_1", "drummer_2", "drummer_3"}


def test_without_a_mix_file_the_target_is_the_sum_of_the_stems(tmp_path):
    write_moisesdb(tmp_path / "data")
    item = by_name(tmp_path / "data", BUSES, tmp_path / "cache")["Ann - One"]
    stems = sounds(0)
    level = {"kick": -3.0, "snare": -6.0, "bass": -4.0, "chords": -9.0, "vocal": -2.0}
    parts = {name: panned(stems[name], PANS[name], gain_db) for name, gain_db in level.items()}
    parts["bass"][-400:] = 0  # that file ends earlier
    assert np.abs(item.target_CT.T - sum(parts.values())).max() < 1e-6


@pytest.mark.parametrize("level", ["mix", "stems", "peak"])
def test_targets_have_the_level_that_was_asked_for(level, tmp_path):
    write_folders(tmp_path / "songs", songs=("Ann - One",))
    [item] = prepared(tmp_path / "songs", BUSES, tmp_path / "cache", target_level=level)
    target = np.array(item.target_CT, np.float64)
    if level == "mix":
        assert np.array_equal(item.target_CT.T, mixed(sounds(0)))
    elif level == "peak":
        assert np.abs(target).max() == pytest.approx(1.0, abs=1e-6)
    else:
        console_mix = np.array(item.inputs_KT[-2:], np.float64)
        assert np.sqrt((target**2).mean()) == pytest.approx(np.sqrt((console_mix**2).mean()), rel=1e-5)


def test_long_songs_are_cut_and_short_ones_left_out(tmp_path):
    write_folders(tmp_path / "songs", songs=("Ann - One", "Bob - Two"))
    write_folders(tmp_path / "songs", songs=("Cid - Three",), seconds=1.0)
    found = by_name(tmp_path / "songs", BUSES, tmp_path / "cache", longest_s=1.5, shortest_s=1.2)
    assert found["Ann - One"].n_samples == 12_000
    assert found["Cid - Three"].reason == "1.0 s long; the shortest is 1.2 s."


def test_songs_that_the_network_has_no_input_for_are_refused_before_anything_is_decoded(tmp_path):
    write_folders(tmp_path / "songs")
    with pytest.raises(SongError, match=r"no input for bass\.electric, drums\.") as refused:
        prepared(tmp_path / "songs", ModelSettings(inputs=("vox.lead",)), tmp_path / "cache")
    assert (refused.value.code, refused.value.exit_code) == ("E371", 3)


def test_slakh2100_is_no_target_unless_it_is_asked_for(tmp_path):
    write_slakh2100(tmp_path)
    with pytest.raises(SongError, match="equal loudness, not a person's mix"):
        census([str(tmp_path)])
    for options in (DataOptions(equal_loudness=True), DataOptions(layout="slakh2100")):
        assert len(census([str(tmp_path)], options).songs) == 3


def test_plain_songs_without_a_mix_say_how_they_can_be_used(tmp_path):
    write_folders(tmp_path, mix="")
    with pytest.raises(SongError, match="no mix beside the stems"):
        census([str(tmp_path)])
    assert {song.mix for song in census([str(tmp_path)], DataOptions(wet_stems=True)).songs} == {None}


def test_the_census_tells_songs_hours_roles_parts_problems_and_size(tmp_path):
    write_medleydb(tmp_path / "medley")
    write_folders(tmp_path / "own")
    (tmp_path / "own" / "Bob - Two" / "Bass.wav").write_bytes(b"no audio")
    sources = [str(tmp_path / "medley"), str(tmp_path / "own")]
    found = census(sources, DataOptions(validation=0.2), BUSES)
    assert found.layouts == ("medleydb", "songs")
    assert [song.name for song in found.songs] == [
        *("AnnBand_One", "BobBand_Two", "CidBand_Three"),
        *("Ann - One", "Cid - Three"),
    ]
    assert found.hours() == pytest.approx(5 * 2 / 3600)
    assert found.hours("train") + found.hours("validation") == pytest.approx(found.hours())
    assert found.roles["drums.kick"] == 5
    assert [song.name for song in found.refused] == ["Bob - Two"]
    assert "Bass.wav" in found.refused[0].reason
    prepared_bytes = sum(
        item.inputs_KT.nbytes + item.target_CT.nbytes
        for item in prepare_dataset(sources, BUSES, DataOptions(validation=0.2), tmp_path / "cache")
        if isinstance(item, PreparedSong)
    )
    assert found.cache_bytes == pytest.approx(prepared_bytes, rel=0.001)
    document = census_document(found)
    assert json.loads(json.dumps(document)) == document
    assert document["parts"]["train"]["songs"] + document["parts"]["validation"]["songs"] == 5
    assert document["refused"][0]["name"] == "Bob - Two"


def test_the_census_reads_headers_only(tmp_path, monkeypatch):
    write_folders(tmp_path)
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("samples were decoded"))
    assert len(census([str(tmp_path)], model=BUSES).songs) == 3


def test_the_parts_of_prepared_songs_are_those_of_the_census(tmp_path):
    write_medleydb(tmp_path / "data")
    options = DataOptions(validation=0.3, leave_out=("BobBand",))
    found = census([str(tmp_path / "data")], options)
    parts = {song.name: song.part for song in found.songs}
    items = prepare_dataset([str(tmp_path / "data")], BUSES, options, tmp_path / "cache")
    assert {item.name: item.part for item in items} == parts
    assert parts["BobBand_Two"] == "test"
    assert sorted(parts.values()) == ["test", "train", "validation"]


def test_two_sources_with_songs_of_one_name_keep_both(tmp_path):
    for folder in ("a", "b"):
        write_folders(tmp_path / folder, songs=("Ann - One", "Bob - Two"))
    found = census([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [song.name for song in found.songs] == ["Ann - One", "Bob - Two", "Ann - One (2)", "Bob - Two (2)"]
    parts = {}
    for song in found.songs:
        parts.setdefault(song.group, set()).add(song.part)
    assert all(len(those) == 1 for those in parts.values())


def test_songs_are_chosen_by_pattern(tmp_path):
    write_enst(tmp_path, takes=("010_hits_snare", "050_phrase_rock_sticks"))
    found = census([str(tmp_path)], DataOptions(exclude=("*hits*", "*norm*")))
    assert len(found.songs) == 3
    assert '"*norm*" fits no song.' in found.problems
    with pytest.raises(SongError, match="none of the songs is left"):
        census([str(tmp_path)], DataOptions(include=("nothing",)))


def test_a_folder_without_songs_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SongError, match='no songs in "empty"') as refused:
        census([str(tmp_path / "empty")])
    assert refused.value.code == "E371"
    write_folders(tmp_path / "songs")
    (tmp_path / "songs" / "Bob - Two" / "Bass.wav").write_bytes(b"no audio")
    with pytest.raises(SongError, match='no songs in "empty"'):  # and no word of what another source lacks
        census([str(tmp_path / "songs"), str(tmp_path / "empty")])


def test_a_session_reaches_the_inputs_of_the_paper_as_it_was_played(tmp_path, rng):
    microphones = [name for name in PAPER_INPUTS if name != "drums.tom:2"]
    stems = {name: rng.uniform(-0.5, 0.5, 9_000).astype(np.float32) for name in microphones}
    mix_TC = rng.uniform(-0.5, 0.5, (9_000, 2)).astype(np.float32)
    song = session_song("0001", stems, mix_TC, RATE, tmp_path / "session")
    with InputReader(plan_inputs(song.stems, DRUMS)) as reader:
        inputs_TK = reader.read(9_000)
    silent = np.zeros(9_000, np.float32)
    # two toms are the first two: which of three is missing, mixing cannot know
    by_row = {**stems, "drums.tom:2": stems["drums.tom:3"], "drums.tom:3": silent}
    for row, name in enumerate(PAPER_INPUTS):
        assert np.array_equal(inputs_TK[:, row], by_row[name]), name
    assert np.array_equal(soundfile.read(song.reference, dtype="float32")[0], mix_TC)


@fluidsynth
def test_a_session_that_falls_into_a_rest_is_left_out(tmp_path):
    notes = [(0, 40, 100), (60 * 960, 40, 100)]  # a minute apart
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "song.mid").write_bytes(song_bytes({0: (33, {}, notes)}))
    source = f"synth:band={tmp_path / 'songs'},shortest=1,longest=2"
    [plan] = session_plans(read_source(source))
    assert 1 < plan.start_s < 57
    for model in (BUSES, ModelSettings(inputs=("bass.electric",))):
        [item] = prepare_dataset([source], model, DataOptions(), tmp_path / "cache")
        assert (item.name, item.reason) == (plan.name, "nothing is played in it.")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the drum samples are not here")
def test_sessions_are_a_source_like_any_other(tmp_path):
    source = f"synth:drums={SHARED},sessions=2,longest=5"
    plans = session_plans(read_source(source))
    model = DRUMS.model_copy(update={"sample_rate": 44_100})
    items = list(prepare_dataset([source], model, DataOptions(), tmp_path))
    assert [(item.name, item.group) for item in items] == [(plan.name, plan.group) for plan in plans]
    for item, plan in zip(items, plans, strict=True):
        session = render(plan)
        assert np.array_equal(item.inputs_KT, np.array([session.stems[name] for name in PAPER_INPUTS]))
        assert np.array_equal(item.target_CT.T, session.mix_TC)


def test_the_page_for_users_says_what_the_code_does(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "training-data.md").read_text("utf-8")
    text = " ".join(page.replace("−", "-").replace("–", "-").split())
    unmix = UnmixOptions()
    for words in (
        f"brought to {unmix.level_lufs:g} LUFS, ±{unmix.level_jitter_db:g} dB",
        f"changes by up to ±{unmix.width_db:g} dB, the balance by ±{unmix.balance_db:g} dB",
        f"each up to ±{unmix.equaliser_db:g} dB",
        f"by up to {unmix.dynamics * 100:g} %",
        f"gets a plate, {unmix.reverb_db[0]:g} to {unmix.reverb_db[1]:g} dB",
        f"a coherence below {LEAST_COHERENCE:g}",
        f"within ±{LIMIT_S:g} s",
        f"({N_PAGES} pages spread over it",
        f"shorter than {DataOptions().shortest_s:g} s",
    ):
        assert words in text, words
    assert (unmix.mono_share, unmix.reverb_share, unmix.variants) == (0.5, 0.25, 4)  # half, one in four, four
    tables = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")]
    assert [f"`{column}`" for column in COLUMNS] == tables[: len(COLUMNS)]
    layouts = {layout for layout in get_args(DatasetLayout) if layout != "manifest"}
    assert layouts <= {each.strip("`") for each in tables}
    write_folders(tmp_path)
    document = census_document(census([str(tmp_path)], model=BUSES))
    keys = set(re.findall(r"`([a-z_.\[\]]+)`", page.split("## The census as JSON")[1]))
    assert {key.split(".")[0].removesuffix("[]") for key in keys} - {"groups"} >= document.keys()
    assert {f"songs[].{key}" for key in document["songs"][0]} <= {
        key.removesuffix("[]") for key in keys
    } | keys

import json
import os

import numpy as np
import pytest
import soundfile
from dataset_trees import RATE, sounds, write, write_folders

from mixcli.errors import OutputError
from mixcli.models.settings import BUS_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.settings import RuleSettings
from mixcli.training import cache
from mixcli.training.cache import PreparedCache, check_room, content_key, file_stamp
from mixcli.training.prepare_dataset import DataOptions, prepare_dataset

MODEL = ModelSettings(inputs=("vox.lead", "bass.electric"), sample_rate=RATE)
KEY = content_key("a song")


def fill_with(value):
    def fill(arrays_KT):
        arrays_KT[:] = value
        return {"value": value}

    return fill


@pytest.fixture
def source(tmp_path):
    """Two songs of a voice and a bass."""
    for seed, name in enumerate(("Ann - One", "Bob - Two")):
        stems = {key: sounds(seed)[key] for key in ("vocal", "bass")}
        write(tmp_path / "songs" / name / "Lead Vox.wav", stems["vocal"])
        write(tmp_path / "songs" / name / "Bass.wav", stems["bass"])
        write(tmp_path / "songs" / name / "Mix.wav", 0.5 * sum(stems.values()))
    return tmp_path / "songs"


def prepared(source, model=MODEL, **options):
    return list(prepare_dataset([str(source)], model, DataOptions(**options), source.parent / "cache"))


def files(source, suffix=".npy"):
    found = (source.parent / "cache").iterdir()
    return {path.name: path.stat().st_mtime_ns for path in found if path.suffix == suffix}


def test_what_is_written_is_read_memory_mapped_and_cannot_be_changed(tmp_path):
    store = PreparedCache(tmp_path / "cache")
    assert store.read("Song", KEY) is None
    kept = store.write("Song", KEY, (5, 1000), fill_with(0.25))
    again = store.read("Song", KEY)
    for each in (kept, again):
        assert isinstance(each.arrays_KT, np.memmap)
        assert each.arrays_KT.shape == (5, 1000)
        assert (each.arrays_KT == 0.25).all()
        assert each.facts == {"value": 0.25}
        with pytest.raises(ValueError, match="read-only"):
            each.arrays_KT[0, 0] = 1
    assert store.read("Song", content_key("another song")) is None


def test_a_filling_that_fails_leaves_nothing(tmp_path):
    def fail(arrays_KT):
        arrays_KT[:] = 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        PreparedCache(tmp_path / "cache").write("Song", KEY, (5, 1000), fail)
    assert not (tmp_path / "cache").exists()


DAMAGES = ("cut", "longer", "first page", "last page", "no facts", "torn facts", "other")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_files_count_as_not_there(damage, tmp_path):
    store = PreparedCache(tmp_path)
    store.write("Song", KEY, (5, 1000), fill_with(0.25))
    [arrays], [facts] = tmp_path.glob("*.npy"), tmp_path.glob("*.json")
    content = bytearray(arrays.read_bytes())
    if damage == "cut":
        arrays.write_bytes(content[:-1])
    elif damage == "longer":
        arrays.write_bytes(bytes(content) + b"\0")
    elif damage == "first page":
        content[3] ^= 1
        arrays.write_bytes(content)
    elif damage == "last page":
        content[-1] ^= 1
        arrays.write_bytes(content)
    elif damage == "no facts":
        facts.unlink()
    elif damage == "torn facts":
        facts.write_text(facts.read_text()[:-30])
    else:
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"schema": "mixcli.prepared-song/0"}))
    assert store.read("Song", KEY) is None
    store.write("Song", KEY, (5, 1000), fill_with(0.5))
    assert (store.read("Song", KEY).arrays_KT == 0.5).all()


def test_names_of_songs_are_no_paths(tmp_path):
    store = PreparedCache(tmp_path / "cache")
    for name in ("../../out", "a/b\\c: d?", ".hidden", "", "x" * 300):
        store.write(name, KEY, (3, 4), fill_with(1.0))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert all(path.is_file() for path in (tmp_path / "cache").iterdir())


def test_a_second_run_decodes_nothing_and_gives_the_same(source, monkeypatch):
    first = prepared(source)
    before = files(source)
    assert len(before) == 2
    monkeypatch.setattr(soundfile.SoundFile, "read", lambda *_, **__: pytest.fail("samples were decoded"))
    second = prepared(source)
    assert files(source) == before
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        assert np.array_equal(one.inputs_KT, other.inputs_KT)
        assert np.array_equal(one.target_CT, other.target_CT)
        assert isinstance(other.inputs_KT, np.memmap)


def test_a_broken_cache_is_made_again_alone(source):
    [first, _] = prepared(source)
    before = files(source)
    path = next((source.parent / "cache").glob("Ann*.npy"))
    expected = np.array(first.inputs_KT)
    path.write_bytes(path.read_bytes()[:1000])
    [again, _] = prepared(source)
    assert np.array_equal(again.inputs_KT, expected)
    changed = {name for name, changed_ns in files(source).items() if before[name] != changed_ns}
    assert changed == {path.name}


def test_a_changed_stem_is_prepared_anew(source):
    [first, _] = prepared(source)
    held = np.array(first.inputs_KT)
    write(source / "Ann - One" / "Bass.wav", 0.5 * sounds(0)["bass"])
    [again, _] = prepared(source)
    assert np.allclose(again.inputs_KT[1], 0.5 * held[1])
    assert len(files(source)) == 3


def test_a_change_in_the_middle_of_a_file_shows_by_its_time(tmp_path):
    path = tmp_path / "large.wav"
    content = bytearray(300_000)
    path.write_bytes(content)
    os.utime(path, ns=(0, 1_000_000_000))
    stamp = file_stamp(path)
    content[150_000] = 1
    path.write_bytes(content)
    os.utime(path, ns=(0, 1_000_000_001))
    assert file_stamp(path) != stamp
    content[0] = 1  # at the ends a change shows even if size and time are the same
    path.write_bytes(content)
    os.utime(path, ns=(0, 1_000_000_000))
    assert file_stamp(path) != stamp


def test_inputs_and_options_make_other_entries_and_the_network_s_size_does_not(source):
    prepared(source)
    assert len(files(source)) == 2
    prepared(source, MODEL.model_copy(update={"network": MixWaveUNetSettings(depth=3)}), validation=0.5)
    assert len(files(source)) == 2
    prepared(source, MODEL.model_copy(update={"inputs": ("bass.electric", "vox.lead")}))
    assert len(files(source)) == 4
    prepared(source, target_level="peak")
    assert len(files(source)) == 6
    prepared(source, rules=RuleSettings(vocals_db=3.0))  # no console, no rules
    assert len(files(source)) == 6
    buses = ModelSettings(inputs=BUS_INPUTS, outputs="residual", sample_rate=RATE)
    prepared(source, buses)
    prepared(source, buses, rules=RuleSettings(vocals_db=3.0))
    assert len(files(source)) == 10


def test_a_moved_data_set_keeps_its_cache(source):
    prepared(source)
    moved = source.rename(source.parent / "elsewhere")
    prepared(moved)
    assert len(files(moved)) == 2


def test_a_full_disk_is_said_before_anything_is_prepared(source, monkeypatch):
    usage = cache.shutil.disk_usage(source)._replace(free=100_000)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputError, match=r"need about 512 kB, 100 kB free\)\. Nothing was begun") as refused:
        prepared(source)
    assert (refused.value.code, refused.value.exit_code) == ("E502", 5)
    assert not (source.parent / "cache").exists()


def test_what_is_prepared_already_needs_no_room(source, monkeypatch):
    prepared(source)
    usage = cache.shutil.disk_usage(source)._replace(free=10)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage)
    assert len(prepared(source)) == 2
    check_room(source, 10)


def test_the_data_set_itself_is_never_touched(source, tree_digest):
    before = tree_digest(source)
    prepared(source)
    prepared(source, wet_stems=True)
    assert tree_digest(source) == before


def test_songs_of_the_same_names_and_sizes_are_kept_apart(tmp_path):
    write_folders(tmp_path / "songs", songs=("Ann - One", "Bob - Two"))
    for path in (tmp_path / "songs").rglob("*.wav"):
        os.utime(path, ns=(0, 1_000_000_000))
    buses = ModelSettings(inputs=BUS_INPUTS, outputs="residual", sample_rate=RATE)
    one, two = prepare_dataset([str(tmp_path / "songs")], buses, DataOptions(), tmp_path / "cache")
    assert not np.array_equal(one.target_CT, two.target_CT)

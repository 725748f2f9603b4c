from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixcli.errors import SettingsError
from mixcli.training.split import SplitSong, group_key, shared_groups, split_songs


def song(name, group, part=None, duration_s=100.0):
    return SplitSong(name=name, group=group, duration_s=duration_s, part=part)


SONGS = st.lists(st.tuples(st.sampled_from("abcdefghij"), st.floats(1, 600)), min_size=1, max_size=40).map(
    lambda made: [song(f"song {n}", group, None, seconds) for n, (group, seconds) in enumerate(made)]
)


@given(SONGS, st.floats(0, 0.5), st.floats(0, 0.4), st.integers(0, 5))
def test_no_group_is_on_both_sides_and_something_is_left_to_learn_from(songs, validation, test, seed):
    parts = split_songs(songs, validation=validation, test=test, seed=seed)
    assert parts.keys() == {each.name for each in songs}
    assert shared_groups(songs, parts) == {}
    assert "train" in parts.values()
    if len({each.group for each in songs}) > 1 and validation > 0 and test == 0:
        assert "validation" in parts.values()


@given(SONGS, st.randoms())
def test_the_order_of_the_songs_does_not_matter(songs, random):
    shuffled = list(songs)
    random.shuffle(shuffled)
    assert split_songs(songs, validation=0.2, seed=3) == split_songs(shuffled, validation=0.2, seed=3)


def test_the_share_is_of_hours_and_the_seed_draws():
    songs = [song(f"{group}{n}", f"artist {group}") for group in range(50) for n in range(4)]
    draws = [split_songs(songs, validation=0.2, test=0.1, seed=seed) for seed in range(4)]
    for parts in draws:
        assert list(parts.values()).count("validation") == 40
        assert list(parts.values()).count("test") == 20
    assert len({tuple(parts.values()) for parts in draws}) == 4


def test_one_more_song_moves_no_other_group():
    songs = [song(f"{group}", f"artist {group}") for group in range(30)]
    before = split_songs(songs, validation=0.2, seed=1)
    after = split_songs([*songs, song("new", "artist 7")], validation=0.2, seed=1)
    assert sum(before[name] != after[name] for name in before) <= 1


def test_the_one_artist_of_most_songs_is_learned_from():
    songs = [song(f"a{n}", "Ann") for n in range(40)] + [song("b", "Bob"), song("c", "Cid")]
    for seed in range(6):
        parts = split_songs(songs, validation=0.05, seed=seed)
        assert parts["a0"] == "train"
        assert "validation" in parts.values()


def test_published_parts_hold_and_validation_comes_out_of_train():
    songs = [song(f"train {n}", f"artist {n}", "train") for n in range(20)]
    songs += [song(f"test {n}", f"other {n}", "test") for n in range(10)]
    parts = split_songs(songs, validation=0.1, test=0.5)
    assert [parts[f"test {n}"] for n in range(10)] == ["test"] * 10
    counted = defaultdict(int)
    for n in range(20):
        counted[parts[f"train {n}"]] += 1
    assert counted == {"train": 17, "validation": 3}  # a tenth of all hours; none of train became test


def test_an_artist_left_out_is_tested_even_where_published_as_train():
    songs = [song(f"{group}{n}", group, "train") for group in "abcd" for n in range(2)]
    songs.append(song("e", "e", "test"))
    parts = split_songs(songs, validation=0.2, leave_out=("b",))
    assert {name for name, part in parts.items() if part == "test"} == {"b0", "b1", "e"}


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from((None, "train"))), min_size=1),
    st.integers(0, 5),
)
def test_no_group_is_torn_apart_by_what_one_of_its_data_sets_publishes(made, seed):
    """One data set calls an artist's songs "train", another says nothing of them: both go together."""
    songs = [song(f"song {n}", group, part) for n, (group, part) in enumerate(made)]
    parts = split_songs(songs, validation=0.2, test=0.3, seed=seed)
    assert shared_groups(songs, parts) == {}
    assert not [each for each in songs if each.part == "train" and parts[each.name] == "test"]


def test_with_a_published_validation_part_nothing_is_drawn():
    songs = [song("a", "1", "train"), song("b", "2", "train"), song("c", "3", "validation")]
    assert split_songs(songs, validation=0.5) == {"a": "train", "b": "train", "c": "validation"}
    drawn = split_songs(songs, validation=0.5, published_parts=False)
    assert sorted(drawn.values()) == ["train", "validation", "validation"]  # a song is a third of the hours


def test_a_song_without_a_part_follows_its_artist_across_data_sets():
    songs = [
        song("x", "Music Delta", "test"),
        song("y", "MusicDelta"),
        song("z", "Other"),
        song("w", "Third"),
    ]
    parts = split_songs(songs, validation=0.0)
    assert parts == {"x": "test", "y": "test", "z": "train", "w": "train"}
    assert group_key("Music Delta") == group_key("MusicDelta") == group_key("music_delta")


def test_what_is_published_on_both_sides_is_said():
    songs = [song("x", "Music Delta", "test"), song("y", "Music Delta", "train"), song("z", "Other", "train")]
    parts = split_songs(songs, validation=0.0)
    assert shared_groups(songs, parts) == {"Music Delta": ["train", "test"]}


def test_lists_decide_whatever_the_group_and_leave_the_rest_to_train(tmp_path):
    songs = [song(f"drummer_{d}/{n:03}_phrase", f"drummer_{d}") for d in (1, 2, 3) for n in range(4)]
    test, validation = tmp_path / "test.txt", tmp_path / "validation.txt"
    test.write_text("# the published list\ndrummer_1/000_phrase\ndrummer_2/*1_phrase  # a pattern\n")
    validation.write_text("drummer_3/003_phrase\n")
    parts = split_songs(songs, validation=validation, test=test)
    assert {name: part for name, part in parts.items() if part != "train"} == {
        "drummer_1/000_phrase": "test",
        "drummer_2/001_phrase": "test",
        "drummer_3/003_phrase": "validation",
    }


def test_leaving_one_drummer_out_makes_all_of_that_drummer_the_test_part():
    songs = [song(f"drummer_{d}/{n}", f"drummer_{d}") for d in (1, 2, 3) for n in range(4)]
    parts = split_songs(songs, validation=0.1, leave_out=("drummer_2",))
    by_group = defaultdict(set)
    for each in songs:
        by_group[each.group].add(parts[each.name])
    assert by_group["drummer_2"] == {"test"}
    assert sorted(map(sorted, by_group.values())) == [["test"], ["train"], ["validation"]]


def test_lists_and_groups_that_name_nothing_are_refused(tmp_path):
    songs = [song("One", "Ann"), song("Two", "Bob")]
    path = tmp_path / "test.txt"
    for text, message in [("Three\n", 'line 1: no song "Three"'), ("# none\n", "names no song")]:
        path.write_text(text)
        with pytest.raises(SettingsError, match=message) as refused:
            split_songs(songs, test=path)
        assert refused.value.code == "E427"
    with pytest.raises(SettingsError, match="cannot be read"):
        split_songs(songs, test=tmp_path / "none.txt")
    with pytest.raises(SettingsError, match='no group "Cid"'):
        split_songs(songs, leave_out=("Cid",))

"""An evaluation as rows: CSV keeps every digit, the screen shows what can be read."""

import csv
import io

import pytest

from mixcli.evaluation.summary import summarise
from mixcli.evaluation.tables import alignment_lines, comparison_lines, csv_rows, number, screen_tables

MEASURES = [
    ("tone_db", "dB", "nearness", "lower"),
    ("features", "", "nearness", "lower"),
    ("loudness_lufs", "LUFS", "loudness", "neither"),
    ("compatible_centroid", "", "compatible", "lower"),
    ("compatible_spectral", "", "compatible", "lower"),
    ("mrstft", "", "waveform", "lower"),
    ("clicks", "", "artefacts", "lower"),
    ("kad", "", "set", "lower"),
]
KINDS = {"mixcli": "own", "megami": "given", "blind-side": "baseline"}


def evaluation(tones, *, measures=MEASURES):
    """Scores of systems whose tone error is given per song; None failed. Other values follow from it."""
    songs = []
    for j in range(len(next(iter(tones.values())))):
        scores = []
        for system, values in tones.items():
            tone = values[j]
            if tone is None:
                error = {"code": "E311", "message": "broken"}
                scores.append(
                    {"system": system, "status": "error", "error": error, "file": None, "values": {}}
                )
                continue
            scores.append(
                {
                    "system": system,
                    "status": "ok",
                    "file": f"{system}/song-{j}.wav",
                    "alignment": {"delay_samples": 441, "delay_ms": 10.0, "inverted": False, "certain": True},
                    "level": {"mix_lufs": -14.25, "reference_lufs": -18.0},
                    "values": {
                        "tone_db": tone,
                        "features": tone / 10,
                        "loudness_lufs": -14.25,
                        "compatible_centroid": 0.3,
                        "compatible_spectral": tone / 3,
                        "mrstft": None,
                        "clicks": 0.0,
                    },
                    "artefacts": [{"kind": "click"}] if system == "megami" else [],
                }
            )
        songs.append({"name": f"song, {j}", "labels": {}, "stems": [], "reference": {}, "scores": scores})
    names = ("key", "unit", "family", "better")
    document = {
        "systems": [{"name": name, "kind": KINDS[name]} for name in tones],
        "measures": [dict(zip(names, measure, strict=True)) for measure in measures],
        "settings": {"bootstrap": 200, "seed": 0, "by": []},
        "songs": songs,
    }
    return document | summarise(document)


EIGHT = evaluation(
    {
        "mixcli": [1.0 + 0.02 * j for j in range(8)],
        "megami": [2.0 + 0.12 * j for j in range(8)],
        "blind-side": [4.0] * 8,
    }
)


def test_csv_holds_a_row_per_song_and_system_with_every_digit():
    document = evaluation({"mixcli": [0.1 + 0.2, None]})
    buffer = io.StringIO()
    csv.writer(buffer).writerows(csv_rows(document))
    first, second = csv.DictReader(io.StringIO(buffer.getvalue()))
    assert (first["song"], first["system"], first["kind"], first["status"]) == (
        "song, 0",
        "mixcli",
        "own",
        "ok",
    )
    assert float(first["tone_db"]) == 0.1 + 0.2
    assert (first["delay_ms"], first["inverted"], first["gain_db"]) == ("10.0", "false", "-3.75")
    assert (first["mrstft"], first["clicks"]) == ("", "0.0")
    assert "kad" not in first  # of a set of mixes, not of one
    assert (second["status"], second["file"], second["tone_db"], second["gain_db"]) == ("error", "", "", "")


def test_a_song_that_failed_as_a_whole_has_a_row_per_system():
    document = evaluation({"mixcli": [1.0], "megami": [2.0]})
    document["songs"].append(
        {"name": "lost", "status": "error", "scores": [], "labels": {}, "reference": None}
    )
    assert [row[:4] for row in csv_rows(document)[3:]] == [
        ("lost", "mixcli", "own", "error"),
        ("lost", "megami", "given", "error"),
    ]


def test_csv_columns_are_the_same_in_every_row():
    rows = csv_rows(EIGHT)
    assert len(rows) == 1 + 3 * 8
    assert {len(row) for row in rows} == {len(rows[0])}
    assert rows[0][:8] == ("song", "system", "kind", "status", "file", "delay_ms", "inverted", "gain_db")


def test_the_first_table_holds_nearness_and_the_index_with_its_interval():
    table = screen_tables(EIGHT)[0]
    assert table.headers == ("system", "songs", "tone dB", "features", "index")
    names, songs, tones, features, index = zip(*table.rows, strict=True)
    assert names == ("mixcli", "megami", "blind-side")
    assert songs == ("8", "8", "8")
    assert tones == ("1.07*", "2.42", "4.00")  # medians of 1.00 to 1.14 and 2.00 to 2.84
    assert features == ("0.11*", "0.24", "0.40")
    assert index[0].startswith("0.27* [0.2")  # 1.07 of 4
    assert index[2] == "1.00 [1.00 1.00]"
    told = comparison_lines(EIGHT)
    assert table.note.splitlines()[-len(told) :] == told


def test_what_alignment_took_is_told_per_system():
    document = evaluation({"mixcli": [1.0, 2.0], "megami": [2.0, 3.0]})
    for song, delay_ms in zip(document["songs"], (-15.8, 30.0), strict=True):
        ours, theirs = song["scores"]
        ours["alignment"] = {"delay_ms": 0.0, "inverted": False, "certain": True}
        theirs["alignment"] = {"delay_ms": delay_ms, "inverted": delay_ms > 0, "certain": True}
    lost = document["songs"][0]["scores"][0]["alignment"]
    assert alignment_lines(document) == [
        "megami: moved by -15.8 to +30.0 ms in 2 songs; polarity turned in 1 song"
    ]
    lost["certain"] = False
    assert alignment_lines(document)[0] == "mixcli: no delay found in 1 song, compared as it lies"


def test_a_failed_song_is_missing_from_the_count_and_a_lost_system_from_the_numbers():
    table = screen_tables(evaluation({"mixcli": [1.0, None], "megami": [None, None]}))[0]
    assert table.headers == ("system", "songs", "tone dB", "features")  # no anchor, no index
    assert table.rows == (("mixcli", "1", "1.00", "0.10"), ("megami", "0", "-", "-"))


def test_no_best_is_marked_where_all_read_the_same():
    table = screen_tables(evaluation({"mixcli": [1.0], "megami": [1.001]}))[0]
    assert [row[2] for row in table.rows] == ["1.00", "1.00"]


def test_the_second_table_holds_loudness_the_field_s_group_means_and_artefacts():
    table = screen_tables(EIGHT)[1]
    assert table.headers == ("median over songs", "mixcli", "megami", "blind-side")
    assert table.rows == (
        ("loudness LUFS", "-14.2", "-14.2", "-14.2"),
        ("compatible spectral", "0.36*", "0.81", "1.33"),
        ("clicks", "0.00", "0.00", "0.00"),
        ("artefacts found", "0", "8", "0"),
    )


def test_without_group_means_the_second_table_holds_every_feature():
    measures = [measure for measure in MEASURES if measure[0] != "compatible_spectral"]
    table = screen_tables(evaluation({"mixcli": [1.0]}, measures=measures))[1]
    assert "compatible centroid" in [row[0] for row in table.rows]


def test_comparisons_say_what_is_beyond_chance():
    lines = comparison_lines(EIGHT)
    # Two tests for each of two systems: Holm's least p is 4 * 2 / 2^8.
    assert lines[0] == "mixcli against megami, 8 songs: nearer in tone (p = 0.031), features (p = 0.031)"
    alike = evaluation({"mixcli": [1.0, 2.0], "megami": [1.1, 1.9], "blind-side": [2.0, 2.1]})
    assert comparison_lines(alike) == [
        "mixcli against each of the others, 2 songs: too few songs to show any difference"
    ]
    farther = evaluation({"mixcli": [3.0 + j for j in range(12)], "megami": [1.0 + j / 9 for j in range(12)]})
    assert comparison_lines(farther)[0].startswith(
        "mixcli against megami, 12 songs: farther in tone (p < 0.001)"
    )


def test_comparisons_say_when_there_are_too_few_songs():
    few = evaluation({"mixcli": [1.0] * 4, "megami": [2.0] * 4})
    assert comparison_lines(few) == ["mixcli against megami, 4 songs: too few songs to show any difference"]
    one = evaluation({"mixcli": [1.0], "megami": [2.0]})
    assert comparison_lines(one) == ["mixcli against megami, 1 song: too few songs for a test"]
    mixed = evaluation({"mixcli": [1.0, 2.0] * 5, "megami": [2.0, 1.0] * 5})
    assert comparison_lines(mixed) == ["mixcli against megami, 10 songs: no difference beyond chance"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (-0.001, "0.00"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (-14.26, "-14.3"),
        (99.97, "100"),
        (12345.6, "12346"),
    ],
)
def test_numbers_have_about_three_digits(value, text):
    assert number(value) == text

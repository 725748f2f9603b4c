"""What tests and numbers are said to show, in words."""

import pytest

from mixcli.reporting.evidence import comparisons, in_words, least_p, sentence
from mixcli.reporting.html import number

NONE = "a and b: no evidence of a difference"
COMPARED = {
    "key": "tone_db",
    "system": "a",
    "other": "b",
    "median_difference": -1.0,
    "low": -2.0,
    "high": -0.5,
}


@pytest.mark.parametrize(
    ("n", "p", "p_holm", "better", "expected"),
    [
        (2, 0.5, 1.0, "lower", NONE + " with n = 2: the smallest possible p is 0.50"),
        (5, 0.0625, 0.6, "lower", NONE + " with n = 5: the smallest possible p is 0.062"),
        (8, 0.01, 0.2, "lower", NONE + " with n = 8: for 15 tests at once the smallest possible p is 0.12"),
        (20, 0.4, 1.0, "lower", NONE),
        (20, 0.001, 0.01, "lower", "a is nearer than b"),
        (20, 0.001, 0.01, "higher", "a is farther than b"),
        (20, 0.001, 0.01, "neither", "a is lower than b"),
        (1, None, None, "lower", "a and b: not tested with n = 1"),
    ],
)  # fmt: skip
def test_a_test_is_told_in_words_that_its_songs_allow(n, p, p_holm, better, expected):
    one = {**COMPARED, "n": n, "p": p, "p_holm": p_holm}
    assert sentence(one, better, 15) == expected


MEASURES = {
    "tone_db": {"key": "tone_db", "unit": "dB", "better": "lower"},
    "si_sdr_db": {"key": "si_sdr_db", "unit": "dB", "better": "higher"},
    "features": {"key": "features", "unit": "", "better": "lower"},
}


def compared(other, key, p_holm=1.0, n=20):
    return {**COMPARED, "other": other, "key": key, "n": n, "p": p_holm / 6, "p_holm": p_holm}


def test_all_that_shows_nothing_is_one_sentence():
    tested = [compared(other, key, n=2) for other in ("b", "c", "d") for key in MEASURES]
    expected = "No measure gives evidence of a difference between a and b, c or d"
    assert in_words(tested, MEASURES, 9) == [f"{expected} (n = 2: the smallest possible p is 0.50)."]
    html = comparisons({"measures": list(MEASURES.values()), "comparisons": tested})
    assert html.count("<table>") == 1
    assert html.index("<details>") < html.index("<table>")


def test_evidence_is_told_per_system_as_nearer_and_farther_and_only_it_is_shown_unfolded():
    tested = [compared("b", key) for key in MEASURES]
    tested += [compared("c", key, p) for key, p in zip(MEASURES, (0.01, 0.02, 0.3), strict=True)]
    assert in_words(tested, MEASURES, 6) == [
        "a is nearer than c by tone, dB; farther than c by si sdr, dB; no evidence by the other 1.",
        "No measure gives evidence of a difference between a and b (n = 20).",
    ]
    shown, folded = comparisons({"measures": list(MEASURES.values()), "comparisons": tested}).split(
        "<details>"
    )
    assert "2 of 6 comparisons give evidence" in shown
    assert shown.count("<tr>") == 1 + 2
    assert folded.count("<tr>") == 1 + 6


@pytest.mark.parametrize("n", [1, 2, 5, 6, 10])
def test_the_smallest_possible_p_is_that_of_the_exact_test(n):
    stats = pytest.importorskip("scipy.stats")
    differences = [float(k) for k in range(1, n + 1)]  # all on one side: nothing can be clearer
    assert least_p(n) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.00"),
        (-1.234, "−1.23"),
        (123.4, "123"),
        (0.00123, "0.0012"),
        (0.05, "0.05"),
        (1e-9, "1.0e−09"),
        (2.5e7, "2.5e+07"),
        (99.99, "99.99"),
    ],
)
def test_numbers_have_the_digits_that_say_something(value, text):
    assert number(value) == text

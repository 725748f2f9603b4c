"""Intervals, paired tests and the summary of an evaluation, against enumeration, scipy and hand sums."""

import itertools
import math

import numpy as np
import pytest

from mixcli.evaluation.statistics import bootstrap_interval, friedman, holm, median, paired_wilcoxon
from mixcli.evaluation.summary import NEARNESS_WEIGHTS, primary_system, summarise

KEYS = [*NEARNESS_WEIGHTS, "loudness_lufs"]


def enumerated_wilcoxon(differences):
    """Two-sided p over all signs of the nonzero differences, ranked with the zeros among them (Pratt)."""
    from scipy.stats import rankdata

    differences = np.asarray(differences, float)
    ranks = rankdata(np.abs(differences))[differences != 0]
    observed = ranks[differences[differences != 0] > 0].sum()
    sums = [np.dot(ranks, signs) for signs in itertools.product([0, 1], repeat=len(ranks))]
    centre = ranks.sum() / 2
    return np.mean([abs(one - centre) >= abs(observed - centre) - 1e-9 for one in sums])


def document(values, *, kinds=None, labels=(), stems=(), settings=None):
    """An evaluation of {system: [per song: dict of values, or None where it failed]}."""
    n_songs = len(next(iter(values.values())))
    kinds = kinds or {}
    songs = []
    for j in range(n_songs):
        scores = []
        for system, rows in values.items():
            row = rows[j]
            scores.append(
                {
                    "system": system,
                    "status": "error" if row is None else "ok",
                    "values": {} if row is None else {k: v for k, v in row.items() if k != "balance_curve"},
                    "curves": {} if row is None else {"balance_db": row.get("balance_curve")},
                }
            )
        songs.append(
            {
                "name": f"song-{j}",
                "labels": {"genre": labels[j]} if labels else {},
                "stems": [{"name": role, "role": role} for role in stems],
                "reference": {"values": {}, "curves": {"balance_db": [0.0] * len(stems)}},
                "scores": scores,
            }
        )
    return {
        "systems": [{"name": name, "kind": kinds.get(name, "given")} for name in values],
        "measures": [
            {"key": key, "family": "nearness" if key in NEARNESS_WEIGHTS else "loudness"} for key in KEYS
        ],
        "settings": {"bootstrap": 300, "seed": 0, "by": [], **(settings or {})},
        "songs": songs,
    }


def even(value, **other):
    """The same distance in every nearness measure."""
    return {**dict.fromkeys(NEARNESS_WEIGHTS, value), "loudness_lufs": -14.0, **other}


def rows_of(part, **wanted):
    return [row for row in part if all(row[name] == value for name, value in wanted.items())]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_the_fast_median_is_numpy_s(rng, n):
    values = rng.standard_normal((50, n))
    assert np.array_equal(median(values, axis=1), np.median(values, axis=1))


def test_the_bootstrap_interval_of_a_median_covers_the_true_median_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = [
        low <= 0 <= high
        for low, high in (
            bootstrap_interval(rng.standard_t(4, 25), n_draws=400, seed=seed) for seed in range(1000)
        )
    ]
    assert 0.92 <= np.mean(hits) <= 0.975  # binomial deviation of 1000 repeats: 0.007


def test_the_bootstrap_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(2).standard_normal(400)
    low, high = bootstrap_interval(values, n_draws=4000, seed=0, statistic=np.mean)
    error = values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_the_percentile_interval_of_a_median_tends_to_its_exact_quantiles():
    values = np.array([3.0, 1.0, 7.0, 2.0, 9.0])
    from scipy.stats import binom

    # The median of five draws is at most the k-th value when at least three draws are.
    chance_up_to = {value: binom.sf(2, 5, (k + 1) / 5) for k, value in enumerate(np.sort(values))}
    low = min(value for value, chance in chance_up_to.items() if chance >= 0.025)
    high = min(value for value, chance in chance_up_to.items() if chance >= 0.975)
    assert bootstrap_interval(values, n_draws=20_000, seed=3) == (low, high)


def test_one_unit_has_no_interval_and_lost_values_do_not_count():
    assert all(map(math.isnan, bootstrap_interval([4.0], n_draws=100, seed=0)))
    assert all(map(math.isnan, bootstrap_interval([], n_draws=100, seed=0)))
    assert all(map(math.isnan, bootstrap_interval([1.0, 2.0], n_draws=0, seed=0)))
    kept = bootstrap_interval([1.0, 2.0, 5.0], n_draws=100, seed=0)
    assert bootstrap_interval([1.0, math.nan, 2.0, 5.0], n_draws=100, seed=0) == kept


def test_units_of_several_numbers_are_drawn_whole():
    units = np.array([[1.0, 1.0, 1.0], [5.0, 5.0, 5.0]])
    means = set()

    def note(drawn, axis):
        means.update(np.mean(drawn, axis=axis))
        return np.mean(drawn, axis=axis)

    bootstrap_interval(units, n_draws=200, seed=0, statistic=note)
    assert means == {1.0, 3.0, 5.0}


@pytest.mark.parametrize(
    "differences",
    [
        [1, 2, 3, 4, 5],
        [1, -2, 3, 4, -5, 6, 7],
        [1, 1, 1, -1, 2, 2, -3],
        [0, 0, 1, -2, 3, 4, 4],
        [0, 5],
        [-1, -2, 3, 0, 0, 0, 4, 4, -4, 6],
    ],
)
def test_the_wilcoxon_p_is_that_of_all_sign_patterns(differences):
    p = paired_wilcoxon(np.array(differences) + 10.0, np.full(len(differences), 10.0))
    assert p == pytest.approx(enumerated_wilcoxon(differences), abs=1e-12)


@pytest.mark.parametrize("n", [6, 15, 40])
def test_the_wilcoxon_p_is_scipy_s_exact_one(rng, n):
    from scipy.stats import wilcoxon

    a, b = rng.standard_normal((2, n))
    a += 0.4
    assert paired_wilcoxon(a, b) == pytest.approx(wilcoxon(a, b, method="exact").pvalue, rel=1e-9)


def test_many_pairs_with_ties_and_zeros_give_scipy_s_approximation(rng):
    from scipy.stats import wilcoxon

    a, b = rng.integers(0, 20, (2, 150)).astype(float)
    expected = wilcoxon(a, b, zero_method="pratt", correction=True, method="approx").pvalue
    assert paired_wilcoxon(a, b) == pytest.approx(expected, rel=0.01)


def test_exact_and_approximate_p_meet_where_they_change_over(rng):
    a = rng.standard_normal(101) + 0.25
    assert paired_wilcoxon(a, np.zeros(101)) == pytest.approx(
        paired_wilcoxon(a[:100], np.zeros(100)), abs=0.02
    )
    from scipy.stats import wilcoxon

    assert paired_wilcoxon(a, np.zeros(101)) == pytest.approx(wilcoxon(a, method="exact").pvalue, abs=0.002)


@pytest.mark.parametrize("n", [2, 5, 6, 10])
def test_the_smallest_p_of_n_pairs_is_two_to_the_one_minus_n(n):
    assert paired_wilcoxon(np.arange(1.0, n + 1), np.zeros(n)) == pytest.approx(2 / 2**n)


def test_too_few_pairs_have_no_p_and_equal_ones_differ_in_nothing():
    assert math.isnan(paired_wilcoxon([1.0], [2.0]))
    assert math.isnan(paired_wilcoxon([1.0, math.nan], [2.0, 3.0]))
    assert paired_wilcoxon([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 1.0


def test_holm_gives_the_textbook_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_passes_a_missing_p_on_and_does_not_count_it():
    adjusted = holm([0.01, math.nan, 0.03])
    assert math.isnan(adjusted[1])
    assert [adjusted[0], adjusted[2]] == pytest.approx([0.02, 0.03])


def test_holm_keeps_the_family_s_error_at_its_level():
    rng = np.random.default_rng(5)
    false = [min(holm(list(rng.random(20)))) < 0.05 for _ in range(2000)]
    assert np.mean(false) == pytest.approx(0.05, abs=0.015)


def test_friedman_is_its_formula_by_hand():
    # Ranks of the rows are 1 2 3, 1 3 2, 1 2 3, 2 1 3: column sums 5, 8, 11.
    rows = [[1.0, 5.0, 9.0], [2.0, 8.0, 4.0], [0.1, 0.2, 0.3], [7.0, 6.0, 8.0]]
    expected = 12 / (4 * 3 * 4) * (5**2 + 8**2 + 11**2) - 3 * 4 * 4
    statistic, p = friedman(rows)
    assert statistic == pytest.approx(expected)
    assert p == pytest.approx(math.exp(-expected / 2))  # chi-squared with two degrees of freedom
    assert friedman([*rows, [math.nan, 1.0, 2.0]])[0] == pytest.approx(expected)


def test_friedman_needs_three_systems_and_two_rows_and_takes_ties():
    assert all(map(math.isnan, friedman([[1.0, 2.0], [2.0, 3.0]])))
    assert all(map(math.isnan, friedman([[1.0, 2.0, 3.0]])))
    assert friedman([[1.0, 1.0, 1.0], [4.0, 4.0, 4.0]]) == (0.0, 1.0)


def test_the_summary_counts_songs_with_a_value_only():
    values = [even(v, loudness_lufs=None if v == 2.0 else -v) for v in (1.0, 2.0, 6.0, 9.0)]
    part = summarise(document({"a": [*values, None]}))["summary"]
    (tone,) = rows_of(part, key="tone_db")
    assert (tone["n"], tone["mean"], tone["median"]) == (4, 4.5, 4.0)
    assert 1.0 <= tone["low"] < 4.0 < tone["high"] <= 9.0
    (loudness,) = rows_of(part, key="loudness_lufs")
    assert (loudness["n"], loudness["median"]) == (3, -6.0)


def test_one_song_has_a_median_and_no_interval():
    (tone,) = rows_of(summarise(document({"a": [even(2.0)]}))["summary"], key="tone_db")
    assert (tone["median"], tone["low"], tone["high"]) == (2.0, None, None)


def index_by_hand(rows, anchors):
    total = 0.0
    for key, weight in NEARNESS_WEIGHTS.items():
        ratio = sum(row[key] for row in rows) / sum(row[key] for row in anchors)
        total += weight * math.log(ratio)
    return math.exp(total / sum(NEARNESS_WEIGHTS.values()))


def test_the_index_is_the_weighted_geometric_mean_of_ratios_to_the_anchor(rng):
    anchors, rows = (
        [dict(zip(NEARNESS_WEIGHTS, rng.uniform(1, 5, 7).tolist(), strict=True)) for _ in range(6)]
        for _ in range(2)
    )
    part = summarise(document({"a": rows, "blind-side": anchors}, kinds={"blind-side": "baseline"}))["index"]
    assert part[0]["value"] == pytest.approx(index_by_hand(rows, anchors))
    assert part[0]["low"] < part[0]["value"] < part[0]["high"]
    assert (part[1]["value"], part[1]["low"], part[1]["high"]) == pytest.approx((1.0, 1.0, 1.0))


def test_the_index_is_over_the_songs_that_both_have():
    rows = [even(2.0), None, even(4.0), even(50.0, tone_db=None)]
    anchors = [even(4.0), even(1.0), even(8.0), even(1.0)]
    part = summarise(document({"a": rows, "blind-side": anchors}))["index"]
    assert (part[0]["n"], part[0]["value"]) == (2, pytest.approx(0.5))
    assert part[1]["n"] == 4


def test_a_measure_that_the_anchor_never_has_counts_for_nobody():
    rows = [even(2.0, balance_db=900.0)] * 3
    anchors = [even(4.0, balance_db=None)] * 3
    part = summarise(document({"a": rows, "blind-side": anchors}))["index"]
    assert part[0]["value"] == pytest.approx(0.5)


def test_there_is_no_index_without_an_anchor_and_the_reference_itself_is_at_zero():
    assert summarise(document({"a": [even(2.0)] * 2}))["index"][0]["value"] is None
    part = summarise(document({"human": [even(0.0)] * 3, "blind-side": [even(2.0)] * 3}))["index"]
    assert (part[0]["value"], part[0]["low"], part[0]["high"]) == (0.0, 0.0, 0.0)
    nothing = summarise(document({"a": [even(1.0)] * 2, "blind-side": [even(0.0)] * 2}))["index"]
    assert [row["value"] for row in nothing] == [None, None]


def test_the_primary_system_is_the_first_own_one_else_the_first_given():
    kinds = {"blind-side": "baseline", "x": "given", "ours": "own"}
    rows = {name: [even(1.0)] for name in kinds}
    assert primary_system(document(rows, kinds=kinds)) == "ours"
    assert primary_system(document({"blind-side": [None], "x": [None]}, kinds=kinds)) == "x"
    assert summarise(document({"blind-side": [even(1.0)]}, kinds=kinds))["comparisons"] == []


def test_comparisons_pair_by_song_and_correct_over_all_tests(rng):
    ours = [even(v) for v in rng.uniform(1, 2, 12).tolist()]
    worse = [even(row["tone_db"] + 1 + 0.1 * j) for j, row in enumerate(ours)]
    same = [even(v) for v in rng.uniform(1, 2, 12).tolist()]
    worse[3] = None
    data = document({"ours": ours, "worse": worse, "same": same}, kinds={"ours": "own"})
    part = summarise(data)["comparisons"]
    assert len(part) == 2 * len(NEARNESS_WEIGHTS)
    assert {row["key"] for row in part} == set(NEARNESS_WEIGHTS)
    (tone,) = rows_of(part, key="tone_db", other="worse")
    assert (tone["n"], tone["left_out"]) == (11, 1)
    assert tone["median_difference"] == pytest.approx(-np.median([1 + 0.1 * j for j in range(12) if j != 3]))
    assert tone["low"] < tone["median_difference"] < tone["high"] < 0
    assert tone["p"] == pytest.approx(2 / 2**11)
    # The seven smallest of the family of 14 are equal: Holm's step for all of them is 14 times p.
    assert tone["p_holm"] == pytest.approx(14 * 2 / 2**11)


def test_groups_by_label_hold_the_medians_of_their_songs():
    values = [even(v) for v in (1.0, 3.0, 10.0, 20.0)]
    data = document({"a": values}, labels=["rock", "rock", "folk", ""], settings={"by": ["genre"]})
    part = [row for row in summarise(data)["groups"] if row["key"] == "tone_db"]
    assert [(row["label"], row["n"], row["median"]) for row in part] == [
        ("(none)", 1, 20.0),
        ("folk", 1, 10.0),
        ("rock", 2, 2.0),
    ]


def test_groups_by_role_hold_each_stem_s_level_error_without_the_common_one():
    stems = ["drums.kick", "drums.snare", "vox.lead"]
    rows = [even(1.0, balance_curve=[4.0, 1.0, 1.0]), even(1.0, balance_curve=[0.0, None, 6.0]), None]
    part = summarise(document({"a": rows}, stems=stems, settings={"by": ["role"]}))["groups"]
    # Song 0: errors 4, 1, 1 less their mean 2; song 1: errors 0 and 6 less 3, one stem not known.
    assert [(row["label"], row["n"], row["median"]) for row in part] == [("drums", 3, 2.0), ("vox", 2, 2.0)]


def test_a_song_that_could_not_be_scored_counts_as_failed_for_everyone():
    data = document({"a": [even(1.0)] * 2, "b": [even(2.0)] * 2}, settings={"by": ["role", "genre"]})
    data["songs"].append({"name": "lost", "labels": {}, "stems": [], "reference": None, "scores": []})
    part = summarise(data)
    assert rows_of(part["comparisons"], key="tone_db")[0]["left_out"] == 1
    assert rows_of(part["summary"], system="a", key="tone_db")[0]["n"] == 2


def test_the_same_document_gives_the_same_summary_and_another_seed_other_intervals(rng):
    values = {"a": [even(v) for v in rng.uniform(1, 2, 9).tolist()]}
    assert summarise(document(values)) == summarise(document(values))
    other = summarise(document(values, settings={"seed": 1}))["summary"][1]
    first = summarise(document(values))["summary"][1]
    assert first["median"] == other["median"]
    assert (first["low"], first["high"]) != (other["low"], other["high"])

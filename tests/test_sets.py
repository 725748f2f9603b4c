"""The distances of two clouds of points agree with closed forms, scipy and plain loops."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from mixcli.measures.sets import (
    FEWEST_EXCERPTS,
    MEASURES,
    N_FEATURES,
    SPECTRUM_BANDS,
    WIDTH_BANDS,
    compare_sets,
    frechet_distance,
    kernel_distance,
    set_features,
)

RATE = 44_100
WIDTH = slice(len(SPECTRUM_BANDS), len(SPECTRUM_BANDS) + len(WIDTH_BANDS))
CREST, SPREAD, IMBALANCE = range(N_FEATURES - 3, N_FEATURES)


def whitened(rng, n_points, n_features):
    """Points whose mean is exactly 0 and whose covariance is exactly the identity."""
    points_ND = rng.standard_normal((n_points, n_features))
    points_ND -= points_ND.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(points_ND.T))
    return points_ND @ vectors / np.sqrt(values) @ vectors.T


def noise(rng, seconds=7):
    return (0.1 * rng.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def test_the_frechet_distance_of_diagonal_normals_is_the_closed_form(rng):
    deviation_D, other_D = np.array([1.0, 2.0, 0.5, 3.0]), np.array([1.5, 0.1, 0.5, 2.0])
    mean_D, other_mean_D = np.array([0.0, 1.0, -2.0, 0.5]), np.array([1.0, 1.0, 0.0, 0.0])
    mixes_ND = whitened(rng, 60, 4) * deviation_D + mean_D
    references_ND = whitened(rng, 45, 4) * other_D + other_mean_D
    expected = np.sum((mean_D - other_mean_D) ** 2) + np.sum((deviation_D - other_D) ** 2)
    assert frechet_distance(mixes_ND, references_ND) == pytest.approx(expected, rel=1e-12)


def test_the_frechet_distance_agrees_with_scipy_s_matrix_root(rng):
    mixes_ND = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 12)) + 0.3
    references_ND = rng.standard_normal((150, 12)) @ rng.standard_normal((12, 12))
    covariance, other = np.cov(mixes_ND.T), np.cov(references_ND.T)
    shift_D = mixes_ND.mean(axis=0) - references_ND.mean(axis=0)
    expected = shift_D @ shift_D + np.trace(covariance + other - 2 * np.real(sqrtm(covariance @ other)))
    assert frechet_distance(mixes_ND, references_ND) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(references_ND, mixes_ND) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("n_points", "n_features"), [(10, 36), (36, 36), (500, 36), (2, 5)])
def test_the_frechet_distance_of_a_set_to_itself_is_zero(n_points, n_features, rng):
    points_ND = rng.standard_normal((n_points, n_features)) * np.geomspace(1e-3, 10, n_features)
    assert frechet_distance(points_ND, points_ND) <= 1e-9
    assert frechet_distance(points_ND, rng.permutation(points_ND)) <= 1e-9
    assert frechet_distance(points_ND + 2.0, points_ND) == pytest.approx(4.0 * n_features, rel=1e-9)


def test_the_kernel_distance_is_that_of_a_plain_double_loop(rng):
    mixes_ND, references_ND = rng.standard_normal((13, 5)) + 0.4, rng.standard_normal((11, 5))

    def distance(a, b):
        return np.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))

    def mean_kernel(points, others, same):
        values = [
            np.exp(-(distance(a, b) ** 2) / (2 * sigma**2))
            for i, a in enumerate(points)
            for j, b in enumerate(others)
            if not (same and i == j)
        ]
        return sum(values) / len(values)

    sigma = np.median([distance(references_ND[i], references_ND[j]) for i in range(11) for j in range(i)])
    expected = 100 * (
        mean_kernel(mixes_ND, mixes_ND, True)
        + mean_kernel(references_ND, references_ND, True)
        - 2 * mean_kernel(mixes_ND, references_ND, False)
    )
    assert kernel_distance(mixes_ND, references_ND) == pytest.approx(expected, rel=1e-9)


def test_the_kernel_distance_of_sets_from_one_source_is_zero_on_average(rng):
    values = [kernel_distance(*rng.standard_normal((2, 30, 6))) for _ in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)
    assert min(values) < 0 < max(values)


def test_the_kernel_distance_does_not_depend_on_blocks_of_rows(rng):
    mixes_ND, references_ND = rng.standard_normal((1300, 3)) + 0.2, rng.standard_normal((700, 3))
    bandwidth = np.median(
        np.linalg.norm(references_ND[:, None] - references_ND, axis=2)[np.triu_indices(700, 1)]
    )

    def kernel(a_ND, b_ND):
        return np.exp(-0.5 * (np.linalg.norm(a_ND[:, None] - b_ND, axis=2) / bandwidth) ** 2)

    among = (kernel(mixes_ND, mixes_ND).sum() - 1300) / (1300 * 1299)
    among_references = (kernel(references_ND, references_ND).sum() - 700) / (700 * 699)
    expected = 100 * (among + among_references - 2 * kernel(mixes_ND, references_ND).mean())
    assert kernel_distance(mixes_ND, references_ND) == pytest.approx(expected, rel=1e-8)


def test_both_distances_grow_with_a_shift(rng):
    references_ND = rng.standard_normal((60, N_FEATURES))
    mixes_ND = rng.standard_normal((50, N_FEATURES))
    found = [compare_sets(mixes_ND + shift, references_ND) for shift in (0, 0.25, 0.5, 1, 2)]
    for key in ("frechet", "kernel_distance"):
        assert (np.diff([values[key] for values in found]) > 0).all()


def test_features_are_standardised_by_the_references_with_a_floor(rng):
    references_ND = whitened(rng, 80, N_FEATURES) * 4.0
    references_ND[:, 0] *= 1e-6
    moved_ND = references_ND + np.eye(N_FEATURES)[1] * 8.0 + np.eye(N_FEATURES)[0] * 1.5
    # 8 dB by a deviation of 4 dB, and 1.5 dB by the floor of 0.5 dB.
    assert compare_sets(moved_ND, references_ND)["frechet"] == pytest.approx(2.0**2 + 3.0**2, rel=1e-6)


def test_too_few_excerpts_or_equal_ones_have_no_distance(rng):
    enough_ND = rng.standard_normal((FEWEST_EXCERPTS, N_FEATURES))
    for mixes_ND, references_ND in [
        (enough_ND[1:], enough_ND),
        (enough_ND, enough_ND[1:]),
        (enough_ND[:0], enough_ND[:0]),
    ]:
        assert np.isnan(list(compare_sets(mixes_ND, references_ND).values())).all()
    assert np.isnan(frechet_distance(enough_ND[:1], enough_ND))
    assert np.isnan(kernel_distance(enough_ND, enough_ND[:1]))
    equal_ND = np.zeros_like(enough_ND)
    found = compare_sets(enough_ND, equal_ND)
    assert list(found) == [measure.key for measure in MEASURES]
    assert np.isfinite(found["frechet"])
    assert np.isnan(found["kernel_distance"])


def test_every_whole_excerpt_that_sounds_is_one_point(rng):
    signal_TC = noise(rng, 10)
    assert set_features(signal_TC, RATE).shape == (3, N_FEATURES)
    signal_TC[3 * RATE : 6 * RATE] = 0
    assert set_features(signal_TC, RATE).shape == (2, N_FEATURES)
    assert set_features(signal_TC[: 3 * RATE - 1], RATE).shape == (0, N_FEATURES)
    assert set_features(np.zeros((RATE * 4, 2), np.float32), RATE).shape == (0, N_FEATURES)
    assert set_features(noise(rng, 1), 8_000).shape == (1, N_FEATURES)


def test_white_noise_reads_as_its_arithmetic_says(rng):
    points_ND = set_features(noise(rng, 30), RATE)
    mean_D = points_ND.mean(axis=0)
    bins_hz = np.arange(2049) * RATE / 4096
    counts = np.array([np.sum((bins_hz >= low) & (bins_hz < high)) for low, high in SPECTRUM_BANDS])
    expected = 10 * np.log10(counts / counts.sum())
    np.testing.assert_allclose(mean_D[8:26], expected[8:], atol=0.2)
    np.testing.assert_allclose(mean_D[:8], expected[:8], atol=1.0)  # one to four bins: few draws
    np.testing.assert_allclose(mean_D[WIDTH], 0, atol=0.6)  # independent channels: as much side as mid
    np.testing.assert_allclose(mean_D[SPREAD], 0, atol=0.2)
    assert mean_D[IMBALANCE] == pytest.approx(0, abs=0.05)
    assert 12 < mean_D[CREST] < 15.5  # the highest of 264,600 normal numbers: 4.4 to 5.2 deviations


def test_a_gain_changes_no_feature_and_a_planted_change_only_its_own(rng):
    signal_TC = noise(rng, 3)
    [plain_D] = set_features(signal_TC, RATE)
    np.testing.assert_allclose(set_features(2 * signal_TC, RATE)[0], plain_D, atol=1e-4)

    mid_T, side_T = signal_TC.mean(axis=1), (signal_TC[:, 0] - signal_TC[:, 1]) / 2
    wide_TC = np.stack([mid_T + 2 * side_T, mid_T - 2 * side_T], axis=1)
    [wide_D] = set_features(wide_TC, RATE)
    np.testing.assert_allclose(wide_D[WIDTH] - plain_D[WIDTH], 6.0206, atol=1e-3)
    np.testing.assert_allclose(wide_D[: WIDTH.start], plain_D[: WIDTH.start], atol=1e-3)

    [panned_D] = set_features(signal_TC * np.float32([0.5, 1.0]), RATE)
    assert panned_D[IMBALANCE] - plain_D[IMBALANCE] == pytest.approx(6.0206, abs=1e-3)

    limit = 0.5 * np.abs(signal_TC).max()
    limited_TC = np.clip(signal_TC, -limit, limit)
    [limited_D] = set_features(limited_TC, RATE)
    less = 10 * np.log10(np.mean(np.square(signal_TC)) / np.mean(np.square(limited_TC)))
    assert plain_D[CREST] - limited_D[CREST] == pytest.approx(6.0206 - less, abs=1e-3)

    louder_TC = signal_TC * np.where(np.arange(3 * RATE) // 4410 % 2, 2.0, 0.5)[:, None].astype(np.float32)
    assert set_features(louder_TC, RATE)[0, SPREAD] == pytest.approx(6.0206, abs=0.1)  # ±6.02 dB in turn


def test_mono_and_one_sided_signals_stay_within_their_limits(rng):
    signal_TC = noise(rng, 3)
    mono_TC = np.repeat(signal_TC[:, :1], 2, axis=1)
    assert (set_features(mono_TC, RATE)[0, WIDTH] == -40).all()
    assert (set_features(mono_TC * np.float32([1, -1]), RATE)[0, WIDTH] == 20).all()
    assert set_features(signal_TC * np.float32([0, 1]), RATE)[0, IMBALANCE] == 20
    assert np.isfinite(set_features(mono_TC * np.float32([1, -1]), RATE)).all()

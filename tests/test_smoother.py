"""Truth: the definition of the smooth branching detector, as a loop over hops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.audio.dynamics import HOP_MS, Smoother

RATE = 8000  # a hop is two samples, a quarter of a millisecond
SETTLED_DB = 1e-3


def by_definition(targets, up_ms, down_ms, now):
    """Towards the target by its own share; a reduction below a thousandth of a dB with no target is none."""
    up, down = (math.exp(-HOP_MS / time_ms) if time_ms else 0.0 for time_ms in (up_ms, down_ms))
    reached = []
    for target in targets:
        now = target + (up if target > now else down) * (now - target)
        if target == 0 and now < SETTLED_DB:
            now = 0.0
        reached.append(now)
    return np.array(reached)


def targets_of(kind, n_hops, seed):
    rng = np.random.default_rng(seed)
    if kind == "steady":
        return np.full(n_hops, 7.0)
    if kind == "steps":
        return np.repeat(rng.choice([0.0, 3.0, 12.0], n_hops // 50 + 1), 50)[:n_hops]
    if kind == "noise":
        return np.abs(rng.standard_normal(n_hops))
    return np.maximum(0, np.cumsum(rng.standard_normal(n_hops)) * 0.5)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["steady", "steps", "noise", "walk"]),
    seed=st.integers(0, 99),
    times_ms=st.tuples(*[st.one_of(st.just(0.0), st.floats(0.05, 2000))] * 2),
    start_db=st.sampled_from([0.0, 20.0]),
    cuts=st.lists(st.integers(0, 6000), max_size=6),
)
def test_it_is_the_loop_of_the_definition_and_cuts_change_no_bit(kind, seed, times_ms, start_db, cuts):
    target_M = targets_of(kind, 6000, seed)
    reached_M = Smoother(*times_ms, RATE, start_db=start_db).push(target_M)
    assert np.abs(reached_M - by_definition(target_M, *times_ms, start_db)).max() < 1e-9
    cut = Smoother(*times_ms, RATE, start_db=start_db)
    parts = [cut.push(part_M) for part_M in np.split(target_M, sorted(cuts))]
    assert np.array_equal(np.concatenate(parts), reached_M)


@pytest.mark.parametrize("n_at_once", [1, 3])
def test_hop_by_hop_it_gives_the_same_bits(n_at_once):
    target_M = targets_of("walk", 900, 5)
    smoother = Smoother(5, 80, RATE)
    parts = [smoother.push(target_M[start : start + n_at_once]) for start in range(0, 900, n_at_once)]
    assert np.array_equal(np.concatenate(parts), Smoother(5, 80, RATE).push(target_M))


def test_a_reduction_that_has_died_away_is_exactly_none():
    smoother = Smoother(5, 20, RATE)
    smoother.push(np.full(200, 9.0))
    reached_M = smoother.push(np.zeros(1200))
    n_hops = math.ceil(math.log(9 / SETTLED_DB) * 20 / HOP_MS)
    assert reached_M[: n_hops - 20].all()
    assert not reached_M[n_hops + 1 :].any()


@pytest.mark.parametrize("n_at_once", [1, 7, 20_000])
def test_a_reduction_that_has_reached_a_steady_target_is_exactly_that(n_at_once):
    target_M = np.repeat([18.0, 3.0, 18.0], [300, 200, 20_000])
    smoother = Smoother(100, 1, RATE, start_db=18.0)  # an expander closes, opens a little and closes again
    parts = [smoother.push(target_M[start : start + n_at_once]) for start in range(0, 20_500, n_at_once)]
    reached_M = np.concatenate(parts)
    assert np.abs(reached_M - by_definition(target_M, 100, 1, 18.0)).max() < 1e-9
    assert np.all(reached_M[:300] == 18)
    n_hops = math.ceil(math.log(15 / 1e-12) * 100 / HOP_MS)
    assert np.all(reached_M[500 : 500 + n_hops - 200] < 18)
    assert np.all(reached_M[500 + n_hops + 20 :] == 18)

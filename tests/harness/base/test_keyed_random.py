"""Keyed randomness: pure functions of seed and key, even, and independent of one another."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.base.keyed_random import KeyedRandom, keyed_id, keyed_random, keyed_stream

COUNT = 20_000


@given(seed=st.integers(-(2**70), 2**70), key=st.text(max_size=8), index=st.integers(0, 2**40))
def test_every_draw_is_in_the_unit_interval_and_repeats(seed: int, key: str, index: int) -> None:
    """A draw is in [0, 1) and the same every time."""
    assert 0 <= keyed_random(seed, key, index) < 1
    assert 0 <= KeyedRandom(seed, key).at(index) < 1
    assert keyed_random(seed, key, index) == keyed_random(seed, key, index)
    assert KeyedRandom(seed, key).at(index) == KeyedRandom(seed, key).at(index)


def test_draws_are_the_same_on_every_machine() -> None:
    """Known values: a change of these breaks every recorded seed."""
    assert keyed_random(1, "a", 2) == 0.9499302069504916
    assert KeyedRandom(1, "a").at(2) == 0.7856729574341575
    assert keyed_id(1, "a") == "752c9cce-0559-4d41-81b8-f45f5683fbc0"
    stream = keyed_stream(1, "a")
    assert (stream.random(), stream.random()) == (0.010463909110861258, 0.7763142268007945)


def test_streams_do_not_disturb_each_other() -> None:
    """A stream goes on as if it were alone, however much others are drawn from; another seed or key is another stream."""
    first, other = keyed_stream(1, "a"), keyed_stream(1, "b")
    mixed = [(first.random(), other.random())[0] for _ in range(5)]
    alone = keyed_stream(1, "a")
    assert mixed == [alone.random() for _ in range(5)]
    assert len({keyed_stream(seed, key).random() for seed, key in ((1, "a"), (2, "a"), (1, "b"))}) == 3


@pytest.mark.parametrize("key", ["gap", "machine"])
def test_draws_by_index_are_even(key: str) -> None:
    """Mean, spread and deciles of many draws are those of an even distribution."""
    values = [KeyedRandom(7, key).at(index) for index in range(COUNT)]
    mean = math.fsum(values) / COUNT
    assert abs(mean - 0.5) < 4 / math.sqrt(12 * COUNT)
    for decile in range(10):
        share = sum(decile / 10 <= value < (decile + 1) / 10 for value in values) / COUNT
        assert abs(share - 0.1) < 4 * math.sqrt(0.09 / COUNT)


def test_neighbours_are_independent() -> None:
    """Neither successive draws nor draws of neighbouring seeds and keys are correlated."""

    def correlation(left: list[float], right: list[float]) -> float:
        return math.fsum((a - 0.5) * (b - 0.5) for a, b in zip(left, right, strict=True)) * 12 / len(left)

    first, second, third = (
        [KeyedRandom(seed, key).at(i) for i in range(COUNT)] for seed, key in ((1, "a"), (2, "a"), (1, "b"))
    )
    successive = list(pairwise(first))
    limit = 4 / math.sqrt(COUNT)
    assert abs(correlation([a for a, _ in successive], [b for _, b in successive])) < limit
    assert abs(correlation(first, second)) < limit
    assert abs(correlation(first, third)) < limit


def test_ids_look_like_uuids_and_differ() -> None:
    """An id has a UUID's shape (version 4) and no two keys share one."""
    made = {keyed_id(seed, "object", name) for seed in range(20) for name in range(50)}
    assert len(made) == 1000
    assert all(len(text) == 36 and text[14] == "4" and text[19] == "8" for text in made)

"""What comes again and again is remembered, and nothing else."""

from __future__ import annotations

from brownout.identity.repeated import Repeated


def test_a_value_is_known_from_its_second_time_on() -> None:
    """Once is not again and again; what is given back is what was noted for that very key."""
    known = Repeated[str, int](4, 4)
    known.note("a", 1)
    assert known.get("a") is None
    known.note("a", 2)
    assert known.get("a") == 2
    assert known.get("b") is None
    assert len(known) == 1


def test_keys_that_are_new_each_time_push_nothing_out() -> None:
    """However many they are, also where more of them come in turn than are known to have come once."""
    known = Repeated[str, int](4, 8)
    for _ in range(2):
        known.note("always", 1)
    for number in range(9 * 5):
        known.note(f"{number % 9}", number)
    assert known.get("always") == 1
    assert len(known) == 1


def test_so_many_are_remembered_and_no_more() -> None:
    """The newest, and those that are asked for all the time."""
    known = Repeated[str, int](4, 8)
    for name in ("always", *(str(number) for number in range(20))):
        for _ in range(2):
            known.note(name, 0)
        assert known.get("always") == 0
        assert len(known) <= 4
    assert known.get("19") == 0
    assert known.get("0") is None

"""What stands for a fault in a request's trail: from its carriers, as text, and in a record."""

from __future__ import annotations

import pytest

from brownout.harness.record.reach import Reach, feeds_replica


@pytest.mark.parametrize(
    ("reach", "text"),
    [
        (Reach(nodes=("a",)), "a"),
        (Reach(nodes=("a", "b")), "a, b"),
        (Reach(links=("a->b",), nodes=("c",), replicas=("d",)), "a->b, c and 1 more"),
        (Reach(nodes=("a", "b", "c", "d", "e")), "a, b and 3 more"),
        (Reach(replicas=("a",)), "the replica of a"),
        (Reach(nodes=("a",), keys=("k1", "manual")), "a with key k1, manual"),
        (Reach(nodes=("a",), machines=("m1", "m2")), "a for m1, m2"),
        (Reach(nodes=("a",), keys=("k1",), machines=("m1",)), "a with key k1 for m1"),
        (Reach(keys=("k1",), machines=("m1",)), "nothing that serves a request"),
    ],
)
def test_a_reach_is_told_by_its_first_two_places(reach: Reach, text: str) -> None:
    """Links before nodes before replicas; how many more there are; then what narrows it."""
    assert str(reach) == text


@pytest.mark.parametrize(
    ("link", "feeds"),
    [
        ("sydney.directory->sydney.token.z1", True),
        ("sydney.directory->melbourne.vault", True),
        ("sydney.directory->sydney.management", True),
        ("sydney.directory->sydney.store", False),
        ("sydney.token->sydney.vault", False),
        ("client->sydney.token", False),
    ],
)
def test_the_directory_feeds_the_roles_that_answer_from_a_replica(link: str, feeds: bool) -> None:
    """Such a link carries no request, so a fault on it concerns what the replica answers."""
    assert feeds_replica(link) is feeds
    target = link.partition(">")[2]
    assert Reach.of_carriers([f"link:{link}"]) == (Reach(replicas=(target,)) if feeds else Reach(links=(link,)))


def test_carriers_of_one_place_are_one_place() -> None:
    """In the order in which they are named: a node and its switch are the same place."""
    found = Reach.of_carriers(["node:b", "control:b", "node:a", "link:client->a", "link:client->a"])
    assert found == Reach(links=("client->a",), nodes=("b", "a"))


def test_a_record_has_what_a_reach_has() -> None:
    """No empty part is written, and what is written is read back as it was."""
    reach = Reach(nodes=("a",), machines=("m",))
    assert reach.to_json() == {"nodes": ["a"], "machines": ["m"]}
    assert Reach.from_json(reach.to_json()) == reach
    assert Reach.from_json({}) == Reach()

"""A store accepts only requests signed with a key that is valid now (docs/reference/azure-wire.md#identity-metadata-store)."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from brownout.identity.core.keys import manual_key, signed
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.records import StoreKey
from support.identity_stacks import EPOCH_S, HOUR_S, Stack, body, error_code, on_stack


def signed_read(stack: Stack, key: StoreKey, object_id: str = "unknown") -> Request:
    return signed(Request("GET", f"/identities/{object_id}"), key, f"{stack.world.now():.3f}")


async def ask(stack: Stack, key: StoreKey) -> int:
    """The status of a read that is signed with the key: 404 when it is let in, for the identity does not exist."""
    return (await stack.node("sydney.store").handle(signed_read(stack, key))).status


def manual(stack: Stack) -> StoreKey:
    return manual_key("sydney", stack.world.spec.store_keys["sydney"])


def newest(stack: Stack) -> StoreKey:
    """The newest key that the store itself knows, secret and all."""
    store: Any = stack.node("sydney.store")
    return next(reversed(store.ring.keys.values()))


def test_a_store_refuses_with_the_storage_services_words() -> None:
    """A refusal is 403 AuthenticationFailed, and says why without telling the key."""

    async def story(stack: Stack) -> tuple[Response, str]:
        answer = await stack.node("sydney.store").handle(Request("GET", "/identities/x"))
        return answer, stack.world.spec.store_keys["sydney"]

    answer, secret = on_stack(story)
    assert (answer.status, error_code(answer)) == (403, "AuthenticationFailed")
    assert "Server failed to authenticate the request" in body(answer)["error"]["message"]
    assert secret not in str(answer)


def test_one_regions_key_does_not_open_anothers_store() -> None:
    """Each region's store has a key of its own."""

    async def story(stack: Stack) -> int:
        other = manual_key("melbourne", stack.world.spec.store_keys["melbourne"])
        return await ask(stack, other)

    assert on_stack(story) == 403


def test_a_roll_over_without_overlap_ends_the_old_key_at_once() -> None:
    """Claim C14: the switch rolls the key immediately; the old one is refused from the same instant on."""

    async def story(stack: Stack) -> list[int]:
        seen = [await ask(stack, manual(stack))]
        await stack.hold("sydney.store", "f", "roll-key", overlap_s=0)
        seen += [await ask(stack, manual(stack)), await ask(stack, newest(stack))]
        await stack.release("sydney.store", "f")
        return [*seen, await ask(stack, manual(stack))]

    assert on_stack(story) == [404, 403, 404, 404]


def test_a_roll_over_with_overlap_ends_the_old_key_after_it() -> None:
    """Claim C14, control: with an overlap both keys are accepted until it is over."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "f", "roll-key", overlap_s=HOUR_S)
        seen = [await ask(stack, manual(stack)), await ask(stack, newest(stack))]
        await stack.wait(HOUR_S - 10)
        seen.append(await ask(stack, manual(stack)))
        await stack.wait(20)
        return [*seen, await ask(stack, manual(stack)), await ask(stack, newest(stack))]

    assert on_stack(story) == [404, 404, 404, 403, 404]


def test_the_overlap_of_the_settings_is_the_default() -> None:
    """A roll-over that names no overlap takes the setting's."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "f", "roll-key")
        first = await ask(stack, manual(stack))
        await stack.wait(61)
        return [first, await ask(stack, manual(stack))]

    assert on_stack(story, key_overlap_s=60) == [404, 403]


def test_an_invalidated_key_is_refused_from_now_on() -> None:
    """`invalidate-key` refuses the named key and nothing else; release accepts it again."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "roll", "roll-key", overlap_s=HOUR_S)
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="current")
        seen = [await ask(stack, newest(stack)), await ask(stack, manual(stack))]
        await stack.release("sydney.store", "f")
        return [*seen, await ask(stack, newest(stack))]

    assert on_stack(story) == [403, 404, 404]


def test_an_order_that_takes_a_while_ends_the_key_after_it() -> None:
    """`after_s`: the key is good until the order is in force, and then refused; a restart in between changes nothing."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="manual", after_s=HOUR_S)
        seen = [await ask(stack, manual(stack))]
        await stack.restart("sydney.store")
        await stack.wait(HOUR_S - 10)
        seen.append(await ask(stack, manual(stack)))
        await stack.wait(20)
        seen.append(await ask(stack, manual(stack)))
        await stack.release("sydney.store", "f")
        return [*seen, await ask(stack, manual(stack))]

    assert on_stack(story) == [404, 404, 403, 404]


@pytest.mark.parametrize("after", [-1, float("nan"), float("inf"), "soon"])
def test_a_delay_that_cannot_be_is_a_bad_value(after: Any) -> None:
    """Only a finite number of seconds that is not negative is a delay; otherwise the key stays valid."""

    async def story(stack: Stack) -> tuple[int, int]:
        answer = await stack.try_hold("sydney.store", "f", "invalidate-key", {"key_id": "manual", "after_s": after})
        return answer.status, await ask(stack, manual(stack))

    assert on_stack(story) == (400, 404)


def test_a_key_in_use_is_not_ended_where_the_store_looks() -> None:
    """With `key_use_gate_s` the order is refused until the key has signed nothing for so long; a wrong signature is none."""

    async def end_manual(stack: Stack) -> int:
        return (await stack.try_hold("sydney.store", "f", "invalidate-key", {"key_id": "manual"})).status

    async def story(stack: Stack) -> list[int]:
        await stack.wait(601)
        await ask(stack, manual(stack))
        await stack.wait(590)
        seen = [await end_manual(stack)]
        wrong = StoreKey("sydney", manual(stack).key_id, "manual", "not the secret")
        assert await ask(stack, wrong) == 403
        await stack.wait(11)
        return [*seen, await end_manual(stack), await ask(stack, manual(stack))]

    assert on_stack(story, key_use_gate_s=600) == [409, 200, 403]


def test_a_store_that_does_not_look_ends_a_key_in_use_whatever_its_clock_says() -> None:
    """Without the setting nothing is asked, also where the clock went back since the key was last used."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "ahead", "skew", ahead_s=HOUR_S)
        seen = [await ask(stack, manual(stack))]
        await stack.release("sydney.store", "ahead")
        await stack.hold("sydney.store", "f", "invalidate-key", key_id="manual")
        return [*seen, await ask(stack, manual(stack))]

    assert on_stack(story) == [404, 403]


def test_another_keys_use_is_no_reason_to_keep_one() -> None:
    """What counts is whether this key signs, not whether the store is asked."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "roll", "roll-key", overlap_s=HOUR_S)
        await stack.wait(601)
        seen = await ask(stack, newest(stack))
        managed = await stack.try_hold("sydney.store", "a", "invalidate-key", {"key_id": "managed"})
        unused = await stack.try_hold("sydney.store", "b", "invalidate-key", {"key_id": "manual"})
        return [seen, managed.status, unused.status]

    assert on_stack(story, key_use_gate_s=600) == [404, 409, 200]


def test_a_store_that_has_just_started_does_not_know_what_was_used() -> None:
    """After a restart any key may have signed a moment ago, so none is ended for as long as the setting says."""

    async def story(stack: Stack) -> list[int]:
        await stack.wait(601)
        await stack.restart("sydney.store")
        seen = []
        for _ in range(2):
            seen.append((await stack.try_hold("sydney.store", "f", "invalidate-key", {"key_id": "manual"})).status)
            await stack.wait(601)
        return seen

    assert on_stack(story, key_use_gate_s=600) == [409, 200]


def test_an_order_that_a_kill_kept_from_the_check_is_checked_on_its_return() -> None:
    """Killed between taking the order and deciding it, the store refuses it when it comes back, and goes on."""

    async def story(stack: Stack) -> tuple[int, Any]:
        node = stack.world._nodes["sydney.store"]
        node.disk["hold:f"] = {"switch": "invalidate-key", "order": 1, "value": {"key_id": "manual"}, "decided": {}}
        await stack.restart("sydney.store")
        return await ask(stack, manual(stack)), (await stack.state("sydney.store"))["holds"]

    assert on_stack(story, key_use_gate_s=600) == (404, {})


def test_an_accepted_key_is_accepted_whatever_else_says() -> None:
    """`accept-key` overrides roll-over and invalidation for as long as it is held (claim C19, the alternative)."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "roll", "roll-key", overlap_s=0)
        await stack.hold("sydney.store", "stop", "invalidate-key", key_id="manual")
        seen = [await ask(stack, manual(stack))]
        await stack.hold("sydney.store", "f", "accept-key", key_id="manual")
        seen.append(await ask(stack, manual(stack)))
        await stack.release("sydney.store", "f")
        return [*seen, await ask(stack, manual(stack))]

    assert on_stack(story) == [403, 404, 403]


@pytest.mark.parametrize(
    ("name", "found"), [("current", "managed-sydney-2"), ("managed", "managed-sydney-2"), ("manual", "manual-sydney-1")]
)
def test_keys_are_named_by_id_by_kind_or_as_the_current_one(name: str, found: str) -> None:
    """A key id, a kind (its newest) and `current` (the newest of all) each name one key."""

    async def story(stack: Stack) -> Any:
        for fault_id in ("a", "b"):
            await stack.hold("sydney.store", fault_id, "roll-key", overlap_s=0)
        return await stack.hold("sydney.store", "f", "accept-key", key_id=name)

    assert on_stack(story) == {"key_id": found}


def test_a_key_that_is_not_there_is_a_bad_value() -> None:
    """Naming a key that the store does not have is answered 400 with the keys that it has, and leaves no hold."""

    async def story(stack: Stack) -> tuple[Response, Any]:
        answer = await stack.try_hold("sydney.store", "f", "invalidate-key", {"key_id": "managed"})
        return answer, (await stack.state("sydney.store"))["holds"]

    answer, holds = on_stack(story)
    assert (answer.status, error_code(answer)) == (400, "BadValue")
    assert "manual-sydney-1" in body(answer)["error"]["message"]
    assert holds == {}


@pytest.mark.parametrize("overlap", [-1, float("nan"), float("inf"), "soon"])
def test_an_overlap_that_cannot_be_is_a_bad_value(overlap: Any) -> None:
    """Only a finite number of seconds that is not negative is an overlap; otherwise the ring is untouched."""

    async def story(stack: Stack) -> tuple[int, int]:
        answer = await stack.try_hold("sydney.store", "f", "roll-key", {"overlap_s": overlap})
        return answer.status, await ask(stack, manual(stack))

    assert on_stack(story) == (400, 404)


HOLDS: dict[str, tuple[str, dict[str, Any]]] = {
    "a": ("roll-key", {"overlap_s": 0}),
    "b": ("invalidate-key", {"key_id": "manual"}),
    "c": ("roll-key", {"overlap_s": 30}),
    "d": ("accept-key", {"key_id": "manual"}),
}


async def view(stack: Stack) -> Any:
    return (await stack.state("sydney.store"))["keys"]


@pytest.mark.parametrize("order", list(permutations(HOLDS)), ids="".join)
def test_overlapping_holds_restore_exactly_in_any_order(order: tuple[str, ...]) -> None:
    """Each release leaves the ring as if that hold had never been put; the last one leaves the baseline (world laws)."""

    async def story(stack: Stack) -> None:
        before = await view(stack)
        for fault_id, (switch, value) in HOLDS.items():
            await stack.hold("sydney.store", fault_id, switch, **value)
        for fault_id in order:
            await stack.release("sydney.store", fault_id)
            left = set((await stack.state("sydney.store"))["holds"])
            validity = {row["key_id"]: row["valid"] for row in await view(stack)}
            assert ("managed-sydney-1" in validity) is ("a" in left)
            assert ("managed-sydney-2" in validity) is ("c" in left)
            assert validity["manual-sydney-1"] is ("d" in left or not left & {"a", "b"})
        assert await view(stack) == before

    on_stack(story)


def test_a_key_id_is_never_given_out_twice() -> None:
    """A key rolled in after another was taken back has an id of its own, so no node mistakes one secret for another."""

    async def story(stack: Stack) -> list[str]:
        made = []
        for number in range(3):
            made.append((await stack.hold("sydney.store", f"f{number}", "roll-key"))["key_id"])
            await stack.release("sydney.store", f"f{number}")
        await stack.restart("sydney.store")
        return [*made, (await stack.hold("sydney.store", "last", "roll-key"))["key_id"]]

    assert on_stack(story) == [f"managed-sydney-{number}" for number in (1, 2, 3, 4)]


def test_two_rolls_do_not_share_a_key() -> None:
    """Taking the first of two overlapping rolls back leaves the second's key in force."""

    async def story(stack: Stack) -> list[int]:
        await stack.hold("sydney.store", "a", "roll-key")
        first = newest(stack)
        await stack.hold("sydney.store", "b", "roll-key")
        second = newest(stack)
        await stack.release("sydney.store", "a")
        await stack.hold("sydney.store", "c", "roll-key", overlap_s=HOUR_S)
        await stack.release("sydney.store", "c")
        return [await ask(stack, first), await ask(stack, second), await ask(stack, manual(stack))]

    assert on_stack(story) == [403, 404, 403]


def test_a_restart_keeps_the_ring() -> None:
    """A store that was killed comes back with the same keys, secrets and validity."""

    async def story(stack: Stack) -> None:
        for fault_id, (switch, value) in HOLDS.items():
            await stack.hold("sydney.store", fault_id, switch, **value)
        before, key = await view(stack), newest(stack)
        await stack.restart("sydney.store")
        assert await view(stack) == before
        assert newest(stack) == key
        for fault_id in HOLDS:
            await stack.release("sydney.store", fault_id)
        assert [row["key_id"] for row in await view(stack)] == ["manual-sydney-1"]

    on_stack(story)


def test_a_restart_keeps_more_than_nine_keys_in_order() -> None:
    """The newest of a dozen keys is still the newest after a restart."""

    async def story(stack: Stack) -> tuple[str, str]:
        for number in range(12):
            await stack.hold("sydney.store", f"f{number}", "roll-key")
        before = newest(stack).key_id
        await stack.restart("sydney.store")
        return before, newest(stack).key_id

    assert on_stack(story) == ("managed-sydney-12", "managed-sydney-12")


def test_a_hold_that_was_not_decided_when_the_store_was_killed_is_decided_on_its_return() -> None:
    """Killed between taking a hold and acting on it, the store comes back and acts on it."""

    async def story(stack: Stack) -> list[int]:
        node = stack.world._nodes["sydney.store"]
        node.disk["hold:f"] = {"switch": "roll-key", "order": 1, "value": {"overlap_s": 0}, "decided": {}}
        await stack.restart("sydney.store")
        seen = [await ask(stack, manual(stack)), await ask(stack, newest(stack))]
        await stack.release("sydney.store", "f")
        return [*seen, await ask(stack, manual(stack))]

    assert on_stack(story) == [403, 404, 404]


def test_a_roll_over_that_was_cut_short_ends_the_keys_of_those_before_it() -> None:
    """It is decided against all keys that the store had, not against the one that it was installed with."""

    async def story(stack: Stack) -> list[tuple[str, bool]]:
        await stack.hold("sydney.store", "first", "roll-key", overlap_s=0)
        node = stack.world._nodes["sydney.store"]
        node.disk["hold:second"] = {"switch": "roll-key", "order": 2, "value": {"overlap_s": 0}, "decided": {}}
        await stack.restart("sydney.store")
        return [(row["key_id"], row["valid"]) for row in await view(stack)]

    assert on_stack(story) == [("manual-sydney-1", False), ("managed-sydney-1", False), ("managed-sydney-2", True)]


def test_the_report_of_keys_tells_validity_and_no_secret() -> None:
    """The state lists id, kind, validity and end of each key, oldest first."""

    async def story(stack: Stack) -> Any:
        await stack.hold("sydney.store", "f", "roll-key", overlap_s=100)
        return await view(stack)

    rows = on_stack(story)
    assert [(row["key_id"], row["kind"], row["valid"]) for row in rows] == [
        ("manual-sydney-1", "manual", True),
        ("managed-sydney-1", "managed", True),
    ]
    assert EPOCH_S < rows[0]["valid_until_s"] <= EPOCH_S + 101
    assert rows[1]["valid_until_s"] is None
    assert all(set(row) == {"key_id", "kind", "valid", "valid_until_s"} for row in rows)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/x", 404),
        ("GET", "/identities/", 404),
        ("PATCH", "/identities/x", 405),
        ("POST", "/identities/x/assign", 404),
    ],
)
def test_what_the_store_does_not_have_is_said_so(method: str, path: str, status: int) -> None:
    """Signed requests for what is not there get 404 or 405, never an exception."""

    async def story(stack: Stack) -> int:
        request = signed(Request(method, path, body={"machine": "m"}), manual(stack), "1")
        return (await stack.node("sydney.store").handle(request)).status

    assert on_stack(story) == status


def test_that_a_key_id_names_one_secret_is_asserted() -> None:
    """A store whose generations were counted down by hand does not make a second key of the same id."""

    async def story(stack: Stack) -> None:
        store: Any = stack.node("sydney.store")
        await stack.hold("sydney.store", "f", "roll-key", overlap_s=0)
        ids = tuple(store.ring.keys)
        store.generations = int(ids[-1].rpartition("-")[2]) - 1
        with pytest.raises(AssertionError, match=ids[-1]):
            await store.holds.put("g", "roll-key", {"overlap_s": 0})
        assert tuple(store.ring.keys) == ids

    on_stack(story)

"""A live signing key is taken out of the published set and put back, and caches decide who notices."""

from __future__ import annotations

import pytest

from support.identity_stacks import Stack, body, on_stack

DIRECTORY, SWITCH = "sydney.directory", "withdraw-signing-key"
ROLL = "roll-signing-key"
PUBLISHED_S, REFRESH_S = 5.0, 600.0


async def is_in(stack: Stack, token: str) -> bool:
    """Whether the vault lets the token in; it refuses it for its key alone."""
    answer = await stack.secret(token)
    assert answer.status in (200, 401), answer
    return answer.status == 200


def test_without_a_cache_tokens_are_refused_with_the_key_and_good_again_with_it() -> None:
    """Verifiers that go by the replica follow the published set at once; new tokens are refused like old ones."""

    async def story(stack: Stack) -> None:
        old = await stack.token("web-1")
        assert await is_in(stack, old)
        report = await stack.hold(DIRECTORY, "f", SWITCH)
        await stack.wait(PUBLISHED_S)
        assert not await is_in(stack, old)
        assert not await is_in(stack, await stack.token("web-2")), "it still signs"
        assert (await stack.state("sydney.vault"))["key_ids"] == report["published"], "the set is not empty"
        await stack.release(DIRECTORY, "f")
        await stack.wait(PUBLISHED_S)
        assert await is_in(stack, old)

    on_stack(story, publish_interval_s=PUBLISHED_S)


@pytest.mark.parametrize("refetches", [True, False])
def test_a_verifier_with_a_cache_notices_at_its_refresh_and_again_at_the_next(*, refetches: bool) -> None:
    """It goes on to its refresh, and once the key is back to the next one, or until an unknown key makes it look again."""

    async def story(stack: Stack) -> None:
        token = await stack.token("web-1")
        assert await is_in(stack, token)
        await stack.hold(DIRECTORY, "f", SWITCH)
        await stack.wait(REFRESH_S - 30)
        assert await is_in(stack, token)
        await stack.wait(60)
        assert not await is_in(stack, token)
        await stack.release(DIRECTORY, "f")
        await stack.wait(REFRESH_S - 120)
        assert await is_in(stack, token) == refetches
        await stack.wait(180)
        assert await is_in(stack, token)

    on_stack(story, publish_interval_s=PUBLISHED_S, verifier_refresh_s=REFRESH_S, verifier_refetches=refetches)


def test_the_key_stays_away_over_a_restart_of_the_directory() -> None:
    """The hold is durable: a directory that was killed publishes what it did before, and a release still undoes it."""

    async def story(stack: Stack) -> None:
        token = await stack.token("web-1")
        await stack.hold(DIRECTORY, "f", SWITCH)
        await stack.restart(DIRECTORY)
        await stack.wait(3 * PUBLISHED_S)
        assert not await is_in(stack, token)
        await stack.release(DIRECTORY, "f")
        await stack.wait(3 * PUBLISHED_S)
        assert await is_in(stack, token)

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_two_holds_are_a_set() -> None:
    """The key is back once the last of them is released."""

    async def story(stack: Stack) -> None:
        token = await stack.token("web-1")
        for fault_id in ("a", "b"):
            await stack.hold(DIRECTORY, fault_id, SWITCH)
        await stack.release(DIRECTORY, "a")
        await stack.wait(PUBLISHED_S)
        assert not await is_in(stack, token)
        await stack.release(DIRECTORY, "b")
        await stack.wait(PUBLISHED_S)
        assert await is_in(stack, token)

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_a_directory_that_checks_refuses_to_withdraw_a_key_in_use() -> None:
    """With `signing_key_gate` the answer is 409, and nothing changes."""

    async def story(stack: Stack) -> None:
        answer = await stack.try_hold(DIRECTORY, "f", SWITCH, {})
        assert answer.status == 409
        assert "signs tokens" in body(answer)["error"]["message"]
        await stack.wait(3 * PUBLISHED_S)
        assert await is_in(stack, await stack.token("web-1"))

    on_stack(story, publish_interval_s=PUBLISHED_S, signing_key_gate=True)


@pytest.mark.parametrize("refresh_s", [0.0, REFRESH_S])
def test_a_newer_key_signs_beside_the_earlier_one(refresh_s: float) -> None:
    """Tokens of both are let in; undone, the earlier key signs again, and those of the newer one are refused."""

    async def story(stack: Stack) -> None:
        old = await stack.token("web-1")
        report = await stack.hold(DIRECTORY, "f", ROLL)
        new = await stack.token("web-2")
        assert [await is_in(stack, token) for token in (old, new)] == [True, True]
        assert (await stack.state(DIRECTORY))["signing_key_id"] == report["key_id"] != report["earlier"]
        await stack.release(DIRECTORY, "f")
        await stack.wait(refresh_s)
        assert [await is_in(stack, token) for token in (old, new)] == [True, False]
        assert await is_in(stack, await stack.token("web-3"))

    on_stack(story, publish_interval_s=PUBLISHED_S, verifier_refresh_s=refresh_s)


def test_the_newer_key_signs_over_a_restart_of_the_directory_and_is_told_to_nobody() -> None:
    """The hold is durable, and what a node shows of it has no private half."""

    async def story(stack: Stack) -> None:
        report = await stack.hold(DIRECTORY, "f", ROLL)
        await stack.restart(DIRECTORY)
        state = await stack.state(DIRECTORY)
        assert state["signing_key_id"] == report["key_id"]
        assert "secret" not in state["holds"]["f"]["value"]
        assert await is_in(stack, await stack.token("web-1"))

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_of_two_rolls_the_newest_signs_and_both_are_published() -> None:
    """Released in any order, what is left is what the other one says."""

    async def story(stack: Stack) -> None:
        first, second = [(await stack.hold(DIRECTORY, fault_id, ROLL))["key_id"] for fault_id in ("a", "b")]
        assert {first, second} < set((await stack.state("sydney.vault"))["key_ids"])
        await stack.release(DIRECTORY, "a")
        state, known = await stack.state(DIRECTORY), (await stack.state("sydney.vault"))["key_ids"]
        assert state["signing_key_id"] == second in known
        assert first not in known

    on_stack(story, publish_interval_s=PUBLISHED_S)


def test_a_newer_key_can_be_withdrawn_like_any_other() -> None:
    """Its tokens are refused then, and those of the earlier key are not."""

    async def story(stack: Stack) -> None:
        old = await stack.token("web-1")
        await stack.hold(DIRECTORY, "r", ROLL)
        new = await stack.token("web-2")
        await stack.hold(DIRECTORY, "w", SWITCH)
        assert [await is_in(stack, token) for token in (old, new)] == [True, False]
        await stack.release(DIRECTORY, "w")
        assert await is_in(stack, new)

    on_stack(story, publish_interval_s=PUBLISHED_S)

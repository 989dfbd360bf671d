"""Which key a node signs with: a table over build, configuration and what it knows (claims C11, C14, C15, C20, C24)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.identity.core.messages import Response
from brownout.identity.core.records import StoreKey
from brownout.identity.core.settings import BUILDS
from support.identity_stacks import Stack, body, hops, on_stack

MANAGED_KEY = StoreKey("sydney", "managed-sydney-1", "managed", "s")


def choices(build: str, *, forced: bool, knows_managed: bool) -> list[str]:
    async def story(stack: Stack) -> list[str]:
        node: Any = stack.node("sydney.token.z1")
        node.store.learn({"sydney": MANAGED_KEY} if knows_managed else {}, 10**6)
        return [key.kind for key in node.store.choices("sydney", BUILDS[build], forced=forced)]

    return on_stack(story)


@pytest.mark.parametrize(
    ("build", "forced", "knows_managed", "kinds"),
    [
        ("0.9", False, False, ["manual"]),
        ("0.9", False, True, ["manual"]),
        ("0.9", True, False, ["manual"]),
        ("0.9", True, True, ["manual"]),
        ("1.0", False, False, ["manual"]),
        ("1.0", False, True, ["manual"]),
        ("1.0", True, False, ["manual"]),
        ("1.0", True, True, ["managed"]),
        ("2.0", False, False, ["manual"]),
        ("2.0", False, True, ["managed", "manual"]),
        ("2.0", True, False, ["manual"]),
        ("2.0", True, True, ["managed", "manual"]),
    ],
)
def test_the_keys_that_a_node_tries(build: str, forced: bool, knows_managed: bool, kinds: list[str]) -> None:
    """The whole policy as a table: build, configuration, knowledge, and the kinds of key tried in order."""
    assert choices(build, forced=forced, knows_managed=knows_managed) == kinds


def after_a_switch(build: str, *, machine: str = "web-1", region: str = "sydney", **settings: Any) -> Response:
    """A cold machine's answer after Sydney's key was switched, with every node on that build."""

    async def story(stack: Stack) -> Response:
        await stack.hold("sydney.directory", "f", "switch-keys", region="sydney", overlap_s=0)
        return await stack.imds(machine, region=region)

    return on_stack(story, builds={"sydney": build, "melbourne": build}, **settings)


@pytest.mark.parametrize(
    ("build", "force", "status", "kind"),
    [
        ("0.9", [], 500, "manual"),
        ("0.9", ["sydney"], 500, "manual"),
        ("1.0", [], 500, "manual"),
        ("1.0", ["sydney"], 200, "managed"),
        ("2.0", [], 200, "managed"),
    ],
)
def test_who_can_read_the_store_after_a_switch(build: str, force: list[str], status: int, kind: str) -> None:
    """Claims C11, C15, C20: new builds follow, pinned ones fail, and configuration helps the build that could."""
    answer = after_a_switch(build, force_managed_key=force)
    assert answer.status == status
    assert hops(answer)[1].key_kind == kind


def test_a_failed_read_is_imds_500_with_the_documented_words() -> None:
    """500 unknown "failed to retrieve token from the directory" (docs/reference/azure-wire.md#imds-errors)."""
    answer = after_a_switch("1.0")
    assert body(answer)["error"] == "unknown"
    assert "failed to retrieve token from the directory" in body(answer)["error_description"]


def test_the_pair_reads_the_home_regions_store_with_the_same_old_key() -> None:
    """Claim C15: an identity of Sydney used in Melbourne needs Sydney's store, and fails there too."""
    answer = after_a_switch("1.0", machine="visitor", region="melbourne")
    assert answer.status == 500
    assert hops(answer)[1].key_id == "manual-sydney-1"


def test_identities_of_the_other_region_are_untouched() -> None:
    """Claim C2: the impact is the switched region's identities, and no others."""
    assert after_a_switch("1.0", machine="south-1", region="melbourne").status == 200


def test_a_new_build_falls_back_to_the_manual_key() -> None:
    """While both keys are known and only the manual one is accepted, a managing build goes on with it."""

    async def story(stack: Stack) -> Response:
        await stack.hold("sydney.directory", "f", "switch-keys", region="sydney", overlap_s=3600)
        await stack.hold("sydney.store", "g", "invalidate-key", key_id="managed")
        return await stack.imds("web-1")

    answer = on_stack(story, builds={"sydney": "2.0"})
    assert (answer.status, hops(answer)[1].key_kind) == (200, "manual")


def test_a_new_build_that_missed_the_publication_asks_for_the_key() -> None:
    """A managing build that is refused asks the directory for newer keys and tries again."""

    async def story(stack: Stack) -> Response:
        await stack.hold("sydney.directory", "pause", "pause-replication", regions=["sydney"])
        await stack.hold("sydney.directory", "f", "switch-keys", region="sydney", overlap_s=0)
        return await stack.imds("web-1")

    answer = on_stack(story, builds={"sydney": "2.0"})
    assert (answer.status, hops(answer)[1].key_id) == (200, "managed-sydney-1")


def test_keys_learnt_from_the_directory_outlive_an_older_snapshot() -> None:
    """A snapshot older than the keys that a node asked for does not take them away again."""

    async def story(stack: Stack) -> list[str]:
        node: Any = stack.node("sydney.token.z1")
        node.store.learn({"sydney": MANAGED_KEY}, 7)
        node.store.learn({}, 6)
        kept = [key.kind for key in node.store.choices("sydney", BUILDS["2.0"], forced=False)]
        node.store.learn({}, 8)
        return [*kept, *(key.kind for key in node.store.choices("sydney", BUILDS["2.0"], forced=False))]

    assert on_stack(story) == ["managed", "manual", "manual"]


@pytest.mark.parametrize("node", ["sydney.token.z1", "melbourne.token.z3", "sydney.management", "melbourne.management"])
def test_each_reader_reports_the_key_that_it_would_use(node: str) -> None:
    """Claim C24: telemetry shows, per instance and region, the kind and id of the key in use."""

    async def story(stack: Stack) -> list[Any]:
        seen = [(await stack.state(node))["store_keys"]]
        await stack.hold("sydney.directory", "f", "switch-keys", region="sydney", overlap_s=0)
        seen.append((await stack.state(node))["store_keys"])
        await stack.hold("sydney.deployer", "g", "configure", set={"force_managed_key": True})
        return [*seen, (await stack.state(node))["store_keys"]]

    before, during, after = on_stack(story)
    manual = {"key_id": "manual-sydney-1", "kind": "manual"}
    assert (before["sydney"], during["sydney"]) == (manual, manual)
    assert after["sydney"] == {"key_id": "managed-sydney-1", "kind": "managed"}
    assert after["melbourne"] == {"key_id": "manual-melbourne-1", "kind": "manual"}


def test_the_reported_key_follows_what_is_learnt_and_what_the_store_accepts() -> None:
    """A report is remembered until another key would be used: with a managed key, without it, and after a refusal."""

    async def story(stack: Stack) -> list[str]:
        node: Any = stack.node("sydney.token.z1")
        seen = []

        def look() -> None:
            seen.append(node.store.report(BUILDS["2.0"], forced=False)["sydney"]["key_id"])

        look()
        node.store.learn({"sydney": MANAGED_KEY}, 10**6)  # which no store knows
        look()
        assert (await stack.imds("web-1")).status == 200  # served by z1, with the manual key after a refusal
        look()
        node.store.learn({}, 10**6 + 1)
        node.store.learn({"sydney": replace(MANAGED_KEY, key_id="managed-9")}, 10**6 + 2)
        look()
        await stack.imds("web-1")
        seen.append(node.store.report(BUILDS["1.0"], forced=True)["sydney"]["key_id"])
        return seen

    before, learnt, refused, newer, forced = on_stack(story, builds={"sydney": "2.0", "melbourne": "2.0"})
    assert (before, learnt, refused) == ("manual-sydney-1", MANAGED_KEY.key_id, "manual-sydney-1")
    assert (newer, forced) == ("manual-sydney-1", "managed-9")


def test_every_answer_names_who_served_it() -> None:
    """The trail names host, token node with build and key, and store; a cached answer names the host alone."""

    async def story(stack: Stack) -> tuple[Response, Response]:
        return await stack.imds("web-2"), await stack.imds("web-2")

    cold, warm = on_stack(story)
    nodes = [(hop.node, hop.build, hop.key_id, hop.key_kind, hop.cache) for hop in hops(cold)]
    assert nodes == [
        ("sydney.host", "", "", "", "miss"),
        ("sydney.token.z2", "1.0", "manual-sydney-1", "manual", "miss"),
        ("sydney.store", "", "manual-sydney-1", "manual", ""),
    ]
    assert [(hop.node, hop.cache) for hop in hops(warm)] == [("sydney.host", "hit")]

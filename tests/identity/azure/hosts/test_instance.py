"""Instance data: what Vault's clients and others read of a machine, part by part."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brownout.identity.core.messages import Request, Response
from support.identity_stacks import Stack, body, on_stack

# What HashiCorp Vault's clients send on: docs/reference/azure-wire.md#imds-instance-data.
FOR_VAULT = {"name", "resourceGroupName", "subscriptionId", "vmScaleSetName", "resourceId"}


async def page(stack: Stack, path: str, machine: str = "web-1", **query: str) -> Response:
    asked = {"api-version": "2021-02-01", **query}
    request = Request("GET", f"/{machine}/metadata/instance{path}", asked, {"metadata": "true"})
    return await stack.world.client("sydney.host", request, timeout_s=5)


@pytest.mark.parametrize("machine", ["web-1", "scaleout_3"])
def test_the_fields_that_verifiers_read_are_there(machine: str) -> None:
    """Names, places, the image; those that Vault compares with ARM are texts that name this machine."""
    compute = body(on_stack(lambda stack: page(stack, "/compute", machine)))
    assert set(compute) >= FOR_VAULT | {"osType", "sku", "offer", "publisher", "version", "vmSize", "provider", "vmId", "zone"}
    assert compute["name"] == machine
    assert compute["vmScaleSetName"] == ("scaleout" if machine == "scaleout_3" else "")


def test_tags_are_told_in_both_forms() -> None:
    """One text, and a list; those that the machine has now."""

    async def story(stack: Stack) -> dict[str, Any]:
        patched = await stack.arm("PATCH", stack.machine_path("web-1"), {"tags": {"team": "red", "tier": "1"}})
        assert patched.ok, patched
        return dict(body(await page(stack, "/compute")))

    compute = on_stack(story)
    assert compute["tags"] == "team:red;tier:1"
    assert compute["tagsList"] == [{"name": "team", "value": "red"}, {"name": "tier", "value": "1"}]


def test_each_part_has_its_own_page() -> None:
    """Objects and lists as JSON, lists count from 0, one value as text."""

    async def story(stack: Stack) -> list[Any]:
        whole = body(await page(stack, ""))
        lists = await page(stack, "/network/interface")
        one = await page(stack, "/network/interface/0/ipv4/ipAddress/0/privateIpAddress", format="text")
        assert json.loads(lists.payload) == whole["network"]["interface"]
        return [one.payload.decode(), whole["network"]["interface"][0]["ipv4"]["ipAddress"][0]["privateIpAddress"]]

    told, wanted = on_stack(story)
    assert told == wanted


@pytest.mark.parametrize("path", ["/compute/nothing", "/network/interface/1", "/network/interface/x", "/nothing"])
def test_a_part_that_there_is_not_is_404(path: str) -> None:
    """As any other unknown page."""
    assert on_stack(lambda stack: page(stack, path)).status == 404


def test_two_machines_have_two_addresses() -> None:
    """Made from their ids, so that they stay."""

    async def story(stack: Stack) -> list[str]:
        paths = "/network/interface/0/macAddress"
        return [(await page(stack, paths, name, format="text")).payload.decode() for name in ("web-1", "web-2", "web-1")]

    one, two, again = on_stack(story)
    assert one == again != two

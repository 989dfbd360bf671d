"""Each word for a broken link means what the page says, seen by plain sockets for new and for open connections."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from brownout.harness.effects import Direction, LinkEffect, LinkEffectKind
from brownout.harness.world import Carrier
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import CONTROL_PATH
from support.containers import ContainerStack
from support.places import DOCS
from support.socket_oracle import Oracle, http, oracle

pytestmark = [pytest.mark.docker, pytest.mark.slow]
PAGE = DOCS / "writing-an-experiment.md"
NEW = {
    "refused": ["refused", ""],
    "never made": ["never made", ""],
    "made, then RST": ["made", "RST"],
    "made, then silence": ["made", "silence"],
}
OPEN = {"FIN at once": ("FIN", ""), "FIN at the next byte": ("silence", "FIN"), "silence": ("silence", "silence")}
AFTERWARDS = {"closed": "FIN", "goes on": "answer"}
numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of the page's table, for one direction."""

    effect: LinkEffectKind
    direction: Direction
    new: str
    new_arrives: str
    opened: str
    open_arrives: str
    afterwards: str

    def __str__(self) -> str:
        return f"{self.effect}-{self.direction}"


def meanings() -> Iterator[Meaning]:
    """The table of the page, a row for each direction that it names."""
    text = PAGE.read_text(encoding="utf-8").partition("## What each link word means")[2].partition("\n## ")[0]
    for line in text.splitlines():
        if line.startswith("| `"):
            effect, directions, *rest = (cell.strip() for cell in line.strip("|").split("|"))
            for direction in directions.replace("`", "").split(", "):
                yield Meaning(effect.strip("`"), direction, *rest)


@dataclass(frozen=True, slots=True)
class Look:
    """A link to look at: the prober on its source's side, a request by number, and whether that request was carried out."""

    link: str
    prober: str
    request: Callable[[ContainerStack, int], str]
    arrived: Callable[[ContainerStack, int], Awaitable[bool]]


def imds_request(stack: ContainerStack, number: int) -> str:
    path = f"/scaleout_{7000 + number}/metadata/identity/oauth2/token"
    return http("GET", f"{path}?api-version=2018-02-01&resource=https://vault.azure.net", {"metadata": "true"})


async def imds_arrived(stack: ContainerStack, number: int) -> bool:
    state = await stack.world.read(Carrier("control", "sydney.host"))
    return f"scaleout_{7000 + number}" in state["imds_requests"]


def directory_request(stack: ContainerStack, number: int) -> str:
    record = {"object_id": f"oracle-{number}", "resource_id": f"/oracle/{number}", "home_region": "sydney", "kind": "system"}
    bearer = {"authorization": f"Bearer {stack.world.spec.control_token}"}
    return http(
        "PUT", f"{CONTROL_PATH}/principals/oracle-{number}", bearer, {**record, "name": f"oracle-{number}", "client_id": "c"}
    )


async def directory_arrived(stack: ContainerStack, number: int) -> bool:
    asked = Request("GET", "/resources", {"id": f"/oracle/{number}"})
    return (await stack.world.control("sydney.directory", asked)).status == 200


PATHS = (
    Look("client->sydney.host", "client-prober", imds_request, imds_arrived),
    Look("melbourne.management->sydney.directory", "melbourne-prober", directory_request, directory_arrived),
)


@pytest.fixture(scope="module", params=PATHS, ids=lambda path: path.link)
def path(request: pytest.FixtureRequest) -> Look:
    """The link under the fault."""
    chosen: Look = request.param
    return chosen


@pytest.fixture(scope="module")
def socket_(stack: ContainerStack, path: Look) -> Iterator[Oracle]:
    """The program on the link's source side."""
    container = stack.container(path.prober)
    with oracle(container.id, stack.world._proxies[path.link].inside) as running:
        yield running
    stack.run(stack.require_whole())


def arrives(stack: ContainerStack, path: Look, number: int) -> str:
    return "yes" if stack.run(path.arrived(stack, number)) else "no"


@pytest.mark.parametrize("meaning", tuple(meanings()), ids=str)
def test_a_link_word_means_what_the_page_says(stack: ContainerStack, path: Look, socket_: Oracle, meaning: Meaning) -> None:
    """For a new and an open connection: what the caller sees, whether its request is carried out, and what comes afterwards."""
    link = Carrier("link", path.link)
    first, opened, new = (next(numbers) for _ in range(3))
    assert socket_.tell("open", path.request(stack, first)) == "answer"
    effect = LinkEffect(meaning.effect, "both" if meaning.effect == "refuse" else meaning.direction)
    stack.run(stack.world.hold(link, "oracle", effect))
    try:
        unasked = socket_.tell("unasked")
        asked = socket_.tell("ask", path.request(stack, opened)) if unasked == "silence" else ""
        assert (unasked, asked) == OPEN[meaning.opened]
        assert arrives(stack, path, opened) == meaning.open_arrives
        assert socket_.tell("new", path.request(stack, new)) == NEW[meaning.new]
        assert arrives(stack, path, new) == meaning.new_arrives
    finally:
        stack.run(stack.world.release(link, "oracle"))
    if meaning.afterwards in AFTERWARDS:
        assert socket_.tell("afterwards") == AFTERWARDS[meaning.afterwards]
    assert socket_.tell("new", path.request(stack, next(numbers))) == ["made", "answer"]
    late = arrives(stack, path, new), arrives(stack, path, opened)
    assert late == (meaning.new_arrives, "yes" if meaning.afterwards == "goes on" else meaning.open_arrives)


def test_the_page_has_every_word_in_every_direction() -> None:
    """The page describes `refuse`, and the other three effects for requests, for answers and for both."""
    directions = ("upstream", "downstream", "both")
    wanted = {("refuse", "both"), *((word, way) for word in ("reset", "stall", "blackhole") for way in directions)}
    assert {(meaning.effect, meaning.direction) for meaning in meanings()} == wanted

"""Names of nodes and links, and which links a stack has."""

from __future__ import annotations

import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import Link, NodeName, link_between


def test_links_join_existing_nodes_and_every_call_has_one() -> None:
    """Each link ends at a node of the stack, none is there twice, and no client has a link to a store."""
    spec = build_stack(seed=1)
    links = spec.links()
    assert len(set(links)) == len(links)
    assert {link.target for link in links} <= set(spec.nodes())
    assert Link("client", "sydney.store") not in links
    assert link_between("melbourne.token.z2", "sydney.store") in links
    assert Link("melbourne.management", "sydney.host") not in links


@pytest.mark.parametrize("text", ["", "sydney", "sydney.", ".store", "a.b.c.d", "sydney..z1"])
def test_a_text_that_is_no_node_name_is_refused(text: str) -> None:
    """Names have two or three parts and none of them is empty."""
    with pytest.raises(ValueError, match="is not a node name"):
        NodeName.parse(text)


@pytest.mark.parametrize("text", ["", "a", "a->", "->b", "a-b"])
def test_a_text_that_is_no_link_is_refused(text: str) -> None:
    """A link is `source->target`."""
    with pytest.raises(ValueError, match="is not a link"):
        Link.parse(text)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("melbourne.token->sydney.store", True),
        ("melbourne->sydney", True),
        ("melbourne->sydney.store", True),
        ("*->sydney.store", True),
        ("melbourne.token->*", True),
        ("melbourne.tok->sydney", False),
        ("sydney->sydney", False),
        ("client->sydney.store", False),
        ("melbourne->sydney.store.z1", False),
    ],
)
def test_a_pattern_matches_by_whole_parts(pattern: str, matches: bool) -> None:
    """A pattern may leave trailing parts away, and parts match whole."""
    assert Link.parse("melbourne.token->sydney.store").matches(pattern) is matches

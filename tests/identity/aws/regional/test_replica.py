"""A region's copy of the account never goes back: older, empty and strangers' snapshots are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.aws.records.tables import Tables
from brownout.identity.aws.regional.replica import AccountReplica
from brownout.identity.core.messages import decode_json, encode_json
from support.published_accounts import AccountMaker

NOW_S = 1_735_689_600.0
MAKER = AccountMaker(build_stack(seed=3, settings={}, vendors=("aws",)), NOW_S)
ACCOUNT = MAKER.account("sydney")


def wire(account: PublishedAccount) -> Any:
    """The account as it comes over a socket."""
    return decode_json(encode_json(account.to_json()))


def replica(version: int = 5, lines: tuple[str, ...] = ("line-1",)) -> AccountReplica:
    made = AccountReplica(ACCOUNT.account_id, "sydney")
    assert made.take(replace(ACCOUNT, version=version, lines=lines).to_json()) is None
    return made


def test_the_first_account_is_taken() -> None:
    """A replica that holds nothing takes any whole account of its own, also over the wire."""
    fresh = AccountReplica(ACCOUNT.account_id, "sydney")
    assert fresh.version == 0
    assert fresh.take(wire(ACCOUNT)) is None
    assert fresh.account is not None
    assert fresh.account.users["admin"] == ACCOUNT.users["admin"]
    assert fresh.account.access_keys.keys() == ACCOUNT.access_keys.keys()


def test_a_newer_one_replaces_it_and_an_older_one_does_not() -> None:
    """Whichever order snapshots arrive in."""
    held = replica(5)
    assert held.take(replace(ACCOUNT, version=4).to_json()) == "older"
    assert held.version == 5
    assert held.take(replace(ACCOUNT, version=6).to_json()) is None
    assert held.version == 6


def test_an_empty_one_is_refused() -> None:
    """However new it claims to be."""
    held = replica(5)
    assert held.take(replace(ACCOUNT, version=9, tables=Tables({})).to_json()) == "empty"
    assert held.account is not None
    assert held.account.users


def test_strangers_are_refused() -> None:
    """Another account, another region, or a directory that shares no disk with ours."""
    held = replica(5)
    for stranger in (
        replace(ACCOUNT, version=9, account_id="123456789012"),
        replace(ACCOUNT, version=9, region="melbourne"),
        replace(ACCOUNT, version=9, lines=("line-2",)),
    ):
        assert held.take(stranger.to_json()) == "stranger"
    assert held.version == 5


def test_a_directory_that_goes_back_to_our_line_is_none() -> None:
    """One that lost its disk and learned from replicas names their lines beside its own."""
    held = replica(5)
    assert held.take(replace(ACCOUNT, version=9, lines=("line-2", "line-1")).to_json()) is None


def test_the_same_version_is_not_read_again() -> None:
    """Publishing goes on when nothing changes, and costs no more than a look."""
    held = replica(5)
    before = held.account
    assert held.take({"version": 5, "lines": ["line-1"]}) is None
    assert held.account is before


@pytest.mark.parametrize("raw", [{}, {"version": "x"}, {"version": 9, "lines": 7}, {"version": 9, "lines": [], "records": {}}])
def test_what_is_no_account_raises(raw: dict[str, Any]) -> None:
    """And leaves what is held."""
    held = replica(5)
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        held.take(raw)
    assert held.version == 5


@given(st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["line-1", "line-2"]), st.booleans()), max_size=30))
def test_no_order_of_snapshots_takes_it_back(snapshots: list[tuple[int, str, bool]]) -> None:
    """The version only grows, and what is held is never empty, whatever comes."""
    held, seen = AccountReplica(ACCOUNT.account_id, "sydney"), 0
    for version, line, is_empty in snapshots:
        tables = Tables({}) if is_empty else ACCOUNT.tables
        held.take(replace(ACCOUNT, version=version, lines=(line,), tables=tables).to_json())
        assert held.version >= seen
        assert held.account is None or held.account.users
        seen = held.version

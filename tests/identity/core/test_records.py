"""Records: one JSON form each, which earlier versions' disks hold too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.identity.core.holds import Hold
from brownout.identity.core.records import (
    CachedToken,
    Identity,
    Machine,
    Principal,
    SigningKey,
    Snapshot,
    StoreKey,
    StoreRecord,
    TokenRequest,
)

IDENTITIES = st.builds(Identity, st.text(), st.sampled_from(["system", "user"]), st.text(), st.text(), st.text(), st.text())
TAGS = st.dictionaries(st.text(), st.text(), max_size=2)
NAMES = st.lists(st.text(), max_size=3).map(tuple)
VERSIONS = st.integers(0, 10**6)
PRINCIPALS = st.builds(Principal, IDENTITIES, VERSIONS, st.booleans(), st.none() | TAGS, st.none() | NAMES, TAGS)
STORE_KEYS = st.builds(StoreKey, st.text(), st.text(), st.sampled_from(["manual", "managed"]), st.text())
TIMES = st.floats(0, 1e10)
RECORDS = st.one_of(
    IDENTITIES,
    PRINCIPALS,
    STORE_KEYS,
    st.builds(StoreRecord, IDENTITIES, TAGS, NAMES, st.booleans(), TAGS),
    st.builds(Machine, st.text(), st.text(), st.text(), st.lists(IDENTITIES, max_size=2).map(tuple), st.booleans()),
    st.builds(SigningKey, st.text(), st.text()),
    st.builds(
        Snapshot,
        st.integers(1, 10**6),
        st.dictionaries(st.text(), PRINCIPALS, max_size=2),
        st.dictionaries(st.text(), TAGS, max_size=2),
        NAMES,
        st.none() | st.builds(SigningKey, st.text(), st.text()),
        st.none() | st.dictionaries(st.text(), STORE_KEYS, max_size=2),
    ),
    st.builds(TokenRequest, st.text(), st.text(), st.text(), st.text(), st.text(), st.none() | TIMES),
    st.builds(CachedToken, st.text(), st.text(), TIMES, TIMES),
    st.builds(Hold, st.text(), TAGS, TAGS, st.integers(0, 99)),
)


@settings(deadline=None)
@given(RECORDS)
def test_a_record_survives_the_disk_and_the_wire(record: Any) -> None:
    """What is written as JSON is read as the same record."""
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


PLAIN = {"name": "n", "kind": "user", "home_region": "sydney", "object_id": "o", "client_id": "c", "resource_id": "/R"}
IDENTITY = Identity("n", "user", "sydney", "o", "c", "/R")


@pytest.mark.parametrize(
    ("raw", "record"),
    [
        (PLAIN | {"tags": {"a": "b"}, "assigned": ["/m"]}, StoreRecord(IDENTITY, {"a": "b"}, ("/m",))),
        (PLAIN | {"tags": {}, "assigned": [], "deleted": True}, StoreRecord(IDENTITY, deleted=True)),
        (PLAIN | {"deleted": False, "version": 7}, Principal(IDENTITY, 7)),
        ({"name": "m", "zone": "z1", "arm_id": "/M", "identities": [PLAIN]}, Machine("m", "z1", "/M", (IDENTITY,))),
        ({"switch": "freeze", "value": {}, "decided": {}, "order": 3}, Hold("freeze", {}, {}, 3)),
        ({"key_id": "k", "private": "p"}, SigningKey("k", "p")),
        ({"version": 3, "identities": {}, "key_set": {}, "lines": ["l"], "signing": {}}, Snapshot(3, {}, {}, ("l",))),
    ],
    ids=["identity", "tombstone", "principal", "machine", "hold", "signing", "snapshot"],
)
def test_what_earlier_versions_wrote_is_read(raw: dict[str, Any], record: Any) -> None:
    """State folders of earlier versions hold these forms; keys that a record does not know do not matter."""
    assert type(record).from_json(raw | {"of": "later"}) == record


@pytest.mark.parametrize("missing", ["name", "kind", "home_region", "object_id", "resource_id"])
def test_half_an_identity_is_none(missing: str) -> None:
    """A record without one of its parts is refused where it is read."""
    with pytest.raises(KeyError, match=missing):
        Identity.from_json({key: value for key, value in PLAIN.items() if key != missing})

"""Versions of a secret and the labels between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brownout.identity.aws.secrets.stored import CURRENT, MOST_VERSIONS, PREVIOUS, SecretVersion, StoredSecret

EMPTY = StoredSecret("s", "arn:aws:secretsmanager:ap-southeast-2:1:secret:s-AbCdEf", 0.0, 0.0, tags={"a": "1"})


def grown(*stages: tuple[str, ...]) -> StoredSecret:
    """A secret with one version for each set of labels, by the ids v0, v1 ..."""
    secret = EMPTY
    for number, labels in enumerate(stages):
        secret = secret.with_version(SecretVersion(f"v{number}", float(number), text=f"value {number}"), labels)
    return secret


@given(st.lists(st.lists(st.sampled_from([CURRENT, PREVIOUS, "A", "B"]), unique=True).map(tuple), max_size=8))
def test_a_label_is_on_one_version_at_most(stages: list[tuple[str, ...]]) -> None:
    """However versions come, no two have one label, and the newest has those that it came with."""
    secret = grown(*stages)
    labels = [label for version in secret.versions for label in version.stages]
    assert len(labels) == len(set(labels))
    if stages:
        assert set(stages[-1]) - {PREVIOUS} <= set(secret.versions[-1].stages)


def test_a_version_is_found_by_id_and_by_label() -> None:
    """Both have to fit where both are given; neither means the current one."""
    secret = grown((CURRENT,), (CURRENT,), ("A",))
    assert [v and v.version_id for v in (secret.version(), secret.version(stage=PREVIOUS))] == ["v1", "v0"]
    assert secret.version("v2", "A") == secret.versions[2]
    assert secret.version("v2", CURRENT) is None
    assert secret.version("v9") is None


def test_versions_without_a_label_are_dropped_when_there_are_too_many() -> None:
    """A secret that is written for ever keeps its labelled versions and a bounded number of others."""
    secret = grown(*[(CURRENT,)] * (3 * MOST_VERSIONS))
    assert len(secret.versions) <= MOST_VERSIONS + 1
    assert secret.version() == secret.versions[-1]
    assert secret.version(stage=PREVIOUS) is not None


def test_a_secret_survives_its_json_form() -> None:
    """Text, bytes, labels, tags and the times of a deletion come back as they were."""
    secret = grown((CURRENT,)).with_version(SecretVersion("b", 5.0, binary=b"\x00\xff"), ("A",))
    deleted = StoredSecret.from_json(secret.to_json() | {"deleted_s": 7.0, "ends_s": 8.0})
    assert StoredSecret.from_json(secret.to_json()) == secret
    assert (deleted.is_deleted, deleted.ends_s, secret.is_deleted) == (True, 8.0, False)

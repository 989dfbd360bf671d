"""A machine as EC2 sees it: stable ids, names of zones, and the tree that agents read."""

from __future__ import annotations

import json
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from brownout.identity.aws.hosts.instances import Instance, entry, identity_document, laid_out, tree, utc, zone_names
from brownout.identity.aws.records.principals import InstanceProfile

PROFILE = InstanceProfile("web", "AIPAEXAMPLE", "arn:aws:iam::123456789012:instance-profile/web", 0.0, role_name="web")


def instance(address: str = "web-1", profile: InstanceProfile | None = PROFILE) -> Instance:
    return Instance("123456789012", "ap-southeast-2", "ap-southeast-2a", "apse2-az1", address, 1_704_067_200.0, profile)


@pytest.mark.parametrize(
    ("region", "number", "names"),
    [
        ("ap-southeast-2", 0, ("ap-southeast-2a", "apse2-az1")),
        ("ap-southeast-4", 2, ("ap-southeast-4c", "apse4-az3")),
        ("us-east-1", 1, ("us-east-1b", "use1-az2")),
        ("eu-central-1", 0, ("eu-central-1a", "euc1-az1")),
    ],
)
def test_zones_have_the_names_of_aws(region: str, number: int, names: tuple[str, str]) -> None:
    """A letter after the region's name, and an id with the region's short form."""
    assert zone_names(region, number) == names


def test_ids_are_a_machine_s_own_and_do_not_change() -> None:
    """The same machine has the same ids, another one has others, all in the form of EC2."""
    first, other = instance(), instance("web-2")
    assert first.instance_id == instance().instance_id != other.instance_id
    assert len(first.instance_id) == len("i-0123456789abcdef0")
    assert IPv4Address(first.ipv4) in IPv4Network("172.31.0.0/16")
    assert first.mac.count(":") == 5
    assert int(first.mac[:2], 16) & 1 == 0, "an address of one interface, not of a group"


def test_the_identity_document_has_what_agents_look_for() -> None:
    """Region, account, zone, instance, image, type and address, as the metadata says them too."""
    document, known = json.loads(identity_document(instance())), tree(instance())
    assert document["region"] == known["meta-data/placement/region"] == "ap-southeast-2"
    assert document["availabilityZone"] == known["meta-data/placement/availability-zone"]
    assert document["instanceId"] == known["meta-data/instance-id"]
    assert document["imageId"] == known["meta-data/ami-id"]
    assert document["privateIp"] == known["meta-data/local-ipv4"]
    assert document["accountId"] == "123456789012"
    assert datetime.fromisoformat(document["pendingTime"]).timestamp() == 1_704_067_200.0


def test_a_listing_has_a_slash_after_what_has_more_below_it() -> None:
    """Folders end in a slash, texts do not; the listing of a folder is the same as that of its parent's entry."""
    known = tree(instance())
    assert entry(known, "") == "dynamic/\nmeta-data/"
    assert "instance-id" in (entry(known, "meta-data") or "").split("\n")
    assert "placement/" in (entry(known, "meta-data") or "").split("\n")
    assert entry(known, "meta-data/iam") == "info\nsecurity-credentials/"
    assert entry(known, "meta-data/iam/security-credentials") == "web"


@pytest.mark.parametrize("path", ["nothing", "meta-data/instance", "meta-data/instance-id/more", "meta-data/public-keys"])
def test_what_is_not_in_the_tree_is_none(path: str) -> None:
    """Neither a part of a name nor anything below a text is found."""
    assert entry(tree(instance()), path) is None


@pytest.mark.parametrize("profile", [None, InstanceProfile("web", "AIPA", "arn", 0.0)])
def test_a_machine_without_a_role_has_no_iam(profile: InstanceProfile | None) -> None:
    """Without an instance profile, or with one that has no role, there is no `iam/` at all."""
    known = tree(instance(profile=profile))
    assert entry(known, "meta-data/iam") is None
    assert instance(profile=profile).role == ""


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"a": ""},
        {"a": "b", 'q"\\': "é\u2028\n\t\x01\x7f</\ud83d\ude00"},
        {"a": "b", "n": None},
        {"a": "b", "n": 1.5, "t": True},
        {"a": {"b": "c"}, "l": ["d", {}]},
    ],
)
def test_documents_are_printed_with_two_blanks_and_a_colon_between_blanks(document: dict[str, Any]) -> None:
    """As the library prints any document with these separators, the flat ones of texts too."""
    assert laid_out(document) == json.dumps(document, indent=2, separators=(",", " : "), ensure_ascii=False)


def test_instants_have_the_form_of_the_service() -> None:
    """UTC to the second, ending in Z."""
    assert utc(1_720_742_400.9) == "2024-07-12T00:00:00Z"

"""Keys of a region: the published derivation, horizons over month ends, leap days and years, and what a region cannot do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from brownout.identity.aws.auth.region_keys import (
    KEY_BYTES,
    day_name,
    day_of,
    horizon,
    key_of_day,
    region_key,
    signing_key,
)
from support.aws_signing import MELBOURNE, SYDNEY

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def day(text: str) -> int:
    return day_of(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("date", "of_region", "signing"),
    [
        (
            "20120215",
            "69daa0209cd9c5ff5c8ced464a696fd4252e981430b10e3d3fd8e2f197d7a70c",
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d",
        ),
        ("20150830", None, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
    ],
)
def test_keys_are_those_of_the_published_examples(date: str, of_region: str | None, signing: str) -> None:
    """The two derivations in AWS's documentation, for IAM in us-east-1."""
    key = region_key(SECRET, day(date), "us-east-1")
    assert of_region in (None, key.hex())
    assert signing_key(key, "iam").hex() == signing


def test_keys_are_those_of_botocore() -> None:
    """For many days, regions and services the last step is what botocore signs with."""
    for number in range(0, 30_000, 977):
        for region in (SYDNEY, MELBOURNE, "us-east-1"):
            for service in ("sts", "iam", "secretsmanager"):
                signer = SigV4Auth(Credentials("id", SECRET), service, region)
                request = AWSRequest("GET", "http://x/")
                request.context["timestamp"] = f"{day_name(number)}T000000Z"
                expected = signer.signature("text", request)
                key = signing_key(region_key(SECRET, number, region), service)
                assert signer._sign(key, "text", hex=True) == expected


# Each horizon goes over one border of the calendar, the last over all of them.
BORDERS = [
    ("20260130", 3),
    ("20240227", 5),
    ("20280228", 3),
    ("21000227", 4),
    ("20261230", 4),
    ("19700101", 3),
    ("20231015", 400),
    ("20240229", 400),
]


@pytest.mark.parametrize(("first", "days"), BORDERS)
def test_a_horizon_has_each_day_of_the_calendar_once(first: str, days: int) -> None:
    """The key for each day is the one derived for that day's name, and there is none before or after."""
    begin = datetime.strptime(first, "%Y%m%d").replace(tzinfo=UTC)
    packed = horizon(SECRET, SYDNEY, day(first), days)
    assert len(packed) == days * KEY_BYTES
    names = [(begin + timedelta(days=away)).strftime("%Y%m%d") for away in range(days)]
    for away, name in enumerate(names):
        assert day_name(day(first) + away) == name
        assert key_of_day(packed, day(first), day(name)) == region_key(SECRET, day(name), SYDNEY)
    assert key_of_day(packed, day(first), day(first) - 1) is None
    assert key_of_day(packed, day(first), day(first) + days) is None


@pytest.mark.parametrize(("text", "number"), [("19700101", 0), ("19700102", 1), ("20000301", 11_017), ("20240229", 19_782)])
def test_days_are_counted_from_1970(text: str, number: int) -> None:
    """A day's number and its name are one to one."""
    assert (day(text), day_name(number)) == (number, text)


def test_a_day_begins_at_midnight() -> None:
    """The last moment of a day is still that day."""
    midnight_s = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert [day_name(day_of(midnight_s + off)) for off in (-1, -0.001, 0, 1)] == [
        "20260228",
        "20260228",
        "20260301",
        "20260301",
    ]


def test_no_key_is_in_two_regions() -> None:
    """The horizons of two regions, and of two secrets, share no key."""
    regions = ("us-east-1", SYDNEY, MELBOURNE)
    found = [
        packed[at : at + KEY_BYTES]
        for secret in (SECRET, SECRET.lower())
        for region in regions
        for packed in (horizon(secret, region, 20_000, 100),)
        for at in range(0, len(packed), KEY_BYTES)
    ]
    assert len(set(found)) == len(found) == 600

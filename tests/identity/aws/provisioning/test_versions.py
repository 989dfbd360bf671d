"""A request's version decides whether the provisioning service takes it: it is read as a form's field is."""

from __future__ import annotations

from random import Random

import pytest

from brownout.identity.aws.provisioning.surface import _version_of
from brownout.identity.core.messages import Request

FORM = (b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")
PARTS = (
    "Version",
    "Versio",
    "V%65rsion",
    "V+",
    "Action",
    "=",
    "=",
    "&",
    "&",
    "2010-05-15",
    "2010%2D05-15",
    "+",
    "%",
    "é",
    "",
    "\n",
)


def read(request: Request) -> str | None:
    """The version as the form and then the query say it, each taken apart whole."""
    return {**dict(request.query_fields), **dict(request.form)}.get("Version")


@pytest.mark.parametrize(
    ("payload", "version"),
    [
        (b"Action=A&Version=2010-05-15", "2010-05-15"),
        (b"Version=2010-05-15", "2010-05-15"),
        (b"Version=2010-05-08&Version=2010-05-15", "2010-05-15"),
        (b"V%65rsion=2010-05-15", "2010-05-15"),
        (b"Version=2010%2D05%2d15", "2010-05-15"),
        (b"Version=a+b", "a b"),
        (b"Version", ""),
        (b"Action=Version=2010-05-15", None),
        (b"AVersion=2010-05-15", None),
        (b"Versions=2010-05-15", None),
        (b"Action=A%26Version=2010-05-15", None),
        (b"", None),
    ],
)
def test_the_version_is_the_last_of_the_form(payload: bytes, version: str | None) -> None:
    """Its name and its value may have escapes; in another field's value it is none."""
    request = Request.raw("POST", "/", (FORM,), payload)
    assert _version_of(request) == version == read(Request.raw("POST", "/", (FORM,), payload))


@pytest.mark.parametrize("seed", range(20))
def test_any_payload_has_the_version_that_its_form_has(seed: int) -> None:
    """With a query, with a payload of another type, and whatever stands in the form."""
    chance = Random(seed)
    for _ in range(200):
        payload = "".join(chance.choices(PARTS, k=chance.randint(0, 9))).encode()
        target = chance.choice(["/", "/", "/?Version=1", "/?", "/a?Version"])
        lines = chance.choice([(FORM,), (FORM,), (), ((b"content-type", b"application/json"),)])
        made = [Request.raw("POST", target, lines, payload) for _ in range(2)]
        assert _version_of(made[0]) == read(made[1]), (target, payload)

"""What clients read of an answer in XML is what a reader of XML finds in it, however often its like was read before."""

from __future__ import annotations

from random import Random
from xml.etree import ElementTree as ET

import pytest

from brownout.harness.load.models.aws.calls import members
from brownout.identity.core.messages import Response
from support.aws_answers import HOUR_S, answer, assumed, refusal

NOW_S = 1_720_742_400.0
ROLE = {"Path": "/", "RoleName": "first", "RoleId": "AROA1", "Arn": "arn:aws:iam::123456789012:role/first", "CreateDate": NOW_S}
LISTED = {"Roles": [ROLE, {**ROLE, "RoleName": "second"}], "IsTruncated": False}
ANSWERS = (
    assumed(NOW_S + HOUR_S),
    answer("iam", "ListRoles", LISTED),
    answer("iam", "ListRoles", {**LISTED, "Roles": [{**ROLE, "Description": "a < b & \"c\" > 'd' é\n"}]}),
    answer("iam", "PutRolePolicy"),
    refusal("sts", "ExpiredToken", 403),
)
ODD = (
    b"<a><b>x</b></a>",
    b"<a><b>x</b><b>y</b></a>",  # the first counts
    b"<a><b></b></a>",
    b"<a><b/></a>",
    b"<a><b/>x</a>",
    b"<a><b/><c>x</c></a>",
    b"<a><b><c>x</c></b></a>",
    b"<a><b>x</b>tail</a>",
    b"<a><b>x>y</b></a>",
    b'<a><b c="1">x</b></a>',
    b'<a c="x>y"><b>x</b></a>',
    b'<a c="<b>x</b>"></a>',
    b"<a><b>&lt;</b></a>",
    b"<a><!-- <b>x</b> --><c>y</c></a>",
    b"<a><!-- <b>x</b> --><b/></a>",
    b"<a><![CDATA[<b>x</b>]]></a>",
    b"<a><?b <b>x</b>?></a>",
    b'<?xml version="1.0"?><a><b>x</b></a>',
    b'<!DOCTYPE a [<!ENTITY e "x">]><a><b>&e;</b></a>',
    b'<n:a xmlns:n="urn:n"><n:b>x</n:b><b>y</b></n:a>',
    b"<a><b>x</b></a><a><b>x</b></a>",
    b"<a><b>x</B></a>",
    b"<a><b>x</b>",
    b"<b>x</b>",
    b"x<b>x</b>",
    b"",
    b"plain",
)


def read(payload: bytes) -> dict[str, str]:
    """What a reader of XML finds: the texts of innermost elements by their names, the first of a name."""
    found: dict[str, str] = {}
    try:
        for each in ET.fromstring(payload).iter():
            if not len(each):
                found.setdefault(each.tag.rpartition("}")[2], each.text or "")
    except ET.ParseError:
        return {}
    return found


def check(payload: bytes) -> None:
    assert members(Response.raw(200, (), payload)) == read(payload), payload


def others(payload: bytes, chance: Random) -> list[bytes]:
    """The like of an answer: with other texts where it has `x`, and with a byte of it that is another, or gone."""
    texts = (b"", b"z", b" z ", b"&amp;", b"<d>z</d>", b"<d/>", b"]]>", b"\xc3\xa9", b"\xff", b"\x01", b"\r\n", b"<!-- z -->")
    places = [chance.randrange(len(payload) + 1) for _ in range(40)]
    changed = [payload[:place] + bytes((chance.choice(b"<>/&x\x01 \"'!?"),)) + payload[place + 1 :] for place in places]
    return [payload.replace(b"x", text) for text in texts] + [payload[:place] for place in places] + changed


@pytest.mark.parametrize("made", ANSWERS, ids=range(len(ANSWERS)))
def test_answers_of_the_service_are_read(made: Response) -> None:
    """Whole, with other texts, cut anywhere, and with any byte changed."""
    for _ in range(2):
        check(made.payload)
    for payload in others(made.payload, Random(1)):
        check(payload)
    for place in range(len(made.payload)):
        check(made.payload[:place])


def test_what_looks_like_an_answer_that_was_read_is_none() -> None:
    """Comments, sections of plain text, elements with attributes or others in them: the shape alone does not tell."""
    chance = Random(2)
    for _ in range(3):
        for payload in ODD:
            check(payload)
            for each in others(payload, chance):
                check(each)

"""Results in XML, form by form."""

from __future__ import annotations

import botocore.parsers
import pytest

from brownout.identity.aws.protocol.services import service
from brownout.identity.aws.protocol.xml_results import escaped, iso_time, writer_of
from support.aws_forms import EVERY_FORM, ORACLE, VALUES


@pytest.mark.parametrize("name", VALUES)
def test_every_form_of_the_protocol_is_written_as_botocore_reads_it(name: str) -> None:
    """Scalars, lists, maps; named, flattened, nested."""
    text = f"<DoResponse>{writer_of(EVERY_FORM, 'DoResult')({name: VALUES[name]})}</DoResponse>"
    parser = botocore.parsers.QueryParser(timestamp_parser=lambda iso: iso)
    shape = ORACLE.operation_model("Do").output_shape
    found = parser.parse({"status_code": 200, "headers": {}, "body": text.encode()}, shape)
    found.pop("ResponseMetadata", None)
    expected = {"Timestamp": "2030-01-01T00:00:00Z"} if name == "Timestamp" else {name: VALUES[name]}
    assert found == expected


def test_every_member_is_written_in_one_result() -> None:
    """Members come in the order of the handler's result; None is left out."""
    write = writer_of(EVERY_FORM, "DoResult")
    assert write({"String": "a", "Integer": None, "Boolean": False}) == (
        "<DoResult><String>a</String><Boolean>false</Boolean></DoResult>"
    )
    assert write({}) == "<DoResult></DoResult>"


def test_a_structure_is_written_by_what_it_has_each_time() -> None:
    """Members right in it and two structures deep, None or not, with text that needs an escape or not, in turn."""
    operation = service("iam").operation("GetUser")
    assert operation is not None
    plain = {"Path": "/", "UserName": "a", "UserId": "AIDA", "Arn": "arn", "CreateDate": 0.0}
    bounded = plain | {"UserName": "<a>", "PermissionsBoundary": {"PermissionsBoundaryArn": "a&b"}}
    tagged = plain | {"PasswordLastUsed": None, "Tags": [{"Key": "k", "Value": ">"}]}
    before, after = "<GetUserResult><User><Path>/</Path><UserName>", "</User></GetUserResult>"
    rest = "<UserId>AIDA</UserId><Arn>arn</Arn><CreateDate>1970-01-01T00:00:00Z</CreateDate>"
    boundary = "<PermissionsBoundary><PermissionsBoundaryArn>a&amp;b</PermissionsBoundaryArn></PermissionsBoundary>"
    tags = "<Tags><member><Key>k</Key><Value>&gt;</Value></member></Tags>"
    for _ in range(2):
        assert operation.write({"User": plain}) == f"{before}a</UserName>{rest}{after}"
        assert operation.write({"User": bounded}) == f"{before}&lt;a&gt;</UserName>{rest}{boundary}{after}"
        assert operation.write({"User": tagged}) == f"{before}a</UserName>{rest}{tags}{after}"
    for wrong in ({"User": plain | {"UserId": None}}, {"User": plain | {"Other": "x"}}, {"User": None}):
        with pytest.raises(AssertionError, match=r"lacks|has no"):
            operation.write(wrong)


@pytest.mark.parametrize(
    ("text", "written"),
    [("a<b>&c", "a&lt;b&gt;&amp;c"), ("\r\n\t", "&#xD;\n\t"), ("\x00\ud800\ufffe", "\ufffd" * 3), ("'\"é😀", "'\"é😀")],
)
def test_text_is_escaped(text: str, written: str) -> None:
    """What XML would read in another way is written as a reference, what it cannot hold as U+FFFD."""
    assert escaped(text) == written


def test_each_character_is_escaped_by_itself_as_among_others() -> None:
    """Text that needs no escape goes a shorter way: no character may slip through, alone, among others or at an end."""
    for character in map(chr, (*range(0x250), 0x2028, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF, 0x1F600)):
        written = escaped(f"é{character}").removeprefix("é")  # what is not ASCII goes the long way
        for before, after in (("", ""), ("a" * 40, "b"), ("", "b" * 40)):
            assert escaped(f"{before}{character}{after}") == f"{before}{written}{after}", ascii(character)


@pytest.mark.parametrize("number", [0, -7, 2**40])
def test_a_number_is_written_in_its_digits(number: int) -> None:
    """Beside texts and alone, and one that is 0 is there."""
    operation = service("iam").operation("GetAccountSummary")
    assert operation is not None
    assert f"<value>{number}</value>" in operation.write({"SummaryMap": {"Users": number}})
    write = service("iam").operation("GetRole")
    assert write is not None
    role = {"Path": "/", "RoleName": "r", "RoleId": "AROA", "Arn": "arn", "CreateDate": 0.0, "MaxSessionDuration": number}
    assert f"<MaxSessionDuration>{number}</MaxSessionDuration>" in write.write({"Role": role})


@pytest.mark.parametrize(("time_s", "text"), [(0.0, "1970-01-01T00:00:00Z"), (-0.5, "1969-12-31T23:59:59Z")])
def test_a_fraction_of_a_second_is_cut(time_s: float, text: str) -> None:
    """Downwards, before 1970 too."""
    assert iso_time(time_s) == text

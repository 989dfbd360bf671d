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


@pytest.mark.parametrize(("time_s", "text"), [(0.0, "1970-01-01T00:00:00Z"), (-0.5, "1969-12-31T23:59:59Z")])
def test_a_fraction_of_a_second_is_cut(time_s: float, text: str) -> None:
    """Downwards, before 1970 too."""
    assert iso_time(time_s) == text

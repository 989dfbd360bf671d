"""Results in JSON, form by form."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.protocol.json_results import writer_of
from support.aws_forms import EVERY_FORM


@pytest.mark.parametrize(
    ("result", "written"),
    [
        ({"String": "é", "Integer": 1, "Boolean": True}, {"String": "é", "Integer": 1, "Boolean": True}),
        ({"Timestamp": 1893456000.1234}, {"Timestamp": 1893456000.123}),
        ({"Blob": b"\x00\xff"}, {"Blob": "AP8="}),
        ({"Renamed": "r"}, {"other-name": "r"}),
        ({"Names": ("a", "b")}, {"Names": ["a", "b"]}),
        ({"Rows": ({"A": "x"}, {})}, {"Rows": [{"a": "x"}, {}]}),
        ({"NamedMap": {"k": {"A": "v"}}}, {"NamedMap": {"k": {"a": "v"}}}),
        ({"String": None, "Names": ()}, {"Names": []}),
    ],
)
def test_a_result_is_written(result: dict[str, Any], written: dict[str, Any]) -> None:
    """Binary values are base64, times seconds with milliseconds; None is left out."""
    assert writer_of(EVERY_FORM)(result) == written


def test_a_member_that_the_shape_lacks_is_a_defect() -> None:
    """It is not sent, and fails an assertion."""
    with pytest.raises(AssertionError, match="Nothing"):
        writer_of(EVERY_FORM)({"Nothing": 1})

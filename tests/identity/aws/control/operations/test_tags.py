"""Tags have limits, and keys that differ by more than case."""

from __future__ import annotations

import pytest

from brownout.identity.aws.control.operations.tags import tag_list, tags_of, with_tags, without_tags
from brownout.identity.aws.errors import AwsError


def tag(key: str, value: str = "v") -> dict[str, str]:
    return {"Key": key, "Value": value}


def test_a_tag_replaces_the_one_of_its_key() -> None:
    """Keys are compared without case, the newest spelling is kept, and order is that of setting."""
    assert with_tags({"A": "1", "b": "2"}, [tag("a", "3")]) == {"b": "2", "a": "3"}
    assert without_tags({"A": "1", "b": "2"}, ["a", "missing"]) == {"b": "2"}
    assert tag_list({"b": "2"}) == [tag("b", "2")]
    assert tags_of({}) == {}
    assert tags_of({"Tags": [tag("x")]}) == {"x": "v"}


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([tag("a"), tag("A")], "InvalidInput"),
        ([tag("aws:x")], "InvalidInput"),
        ([tag(str(number)) for number in range(51)], "LimitExceeded"),
    ],
)
def test_what_goes_too_far_is_refused(tags: list[dict[str, str]], code: str) -> None:
    """Doubled keys, reserved keys and more than fifty tags are refused with IAM's codes."""
    with pytest.raises(AwsError) as refused:
        tags_of({"Tags": tags})
    assert refused.value.code == code

"""Filters of lists of secrets match as they are documented to (docs/reference/aws-wire.md#secrets)."""

from __future__ import annotations

import pytest

from brownout.identity.aws.secrets.filters import fits
from brownout.identity.aws.secrets.stored import StoredSecret

SECRET = StoredSecret("app/Database", "arn", 0.0, 0.0, description="Login of the shop", tags={"Team": "blue"})


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("name", ["app/"], True),
        ("name", ["App/"], False),
        ("name", ["!app/"], False),
        ("name", ["other", "app"], True),
        ("name", ["Database"], False),
        ("description", ["login"], True),
        ("description", ["SHOP"], True),
        ("description", ["ogin"], False),
        ("tag-key", ["Te"], True),
        ("tag-key", ["te"], False),
        ("tag-value", ["blue"], True),
        ("tag-value", ["!red"], True),
        ("all", ["shop BLUE"], True),
        ("all", ["shop red"], False),
        ("primary-region", ["ap"], False),
        ("owning-service", ["!rds"], True),
        ("name", [], False),
    ],
)
def test_a_filter_matches_one_of_its_values(key: str, values: list[str], expected: bool) -> None:
    """Beginnings of texts, negated by `!`; `all` finds words anywhere whatever their case."""
    assert fits(SECRET, {"Key": key, "Values": values}) is expected

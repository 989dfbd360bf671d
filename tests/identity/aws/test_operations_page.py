"""The page of operations is what the tables and the models say."""

from __future__ import annotations

import pytest

from brownout.identity.aws.operations_page import PATH, built, page
from brownout.identity.aws.protocol.services import service
from support.places import ROOT


def test_the_page_is_not_stale() -> None:
    """docs/aws-operations.md is what the command prints now."""
    command = f"python -m brownout.identity.aws.operations_page > {PATH}"
    assert (ROOT / PATH).read_text(encoding="utf-8") == page(), f"run `{command}`"


@pytest.mark.parametrize("name", built())
def test_what_is_built_is_an_operation_of_the_model(name: str) -> None:
    """No table serves an operation that no client could call."""
    assert set(built()[name]) <= set(service(name).operation_names)


@pytest.mark.parametrize("name", built())
def test_every_operation_is_listed_once(name: str) -> None:
    """Built or not, each has one row, which names its required parameters."""
    text = page()
    for operation_name in service(name).operation_names:
        operation = service(name).operation(operation_name)
        assert operation is not None
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {operation_name} |"))
        required = ", ".join(m.name for m in (operation.input.members if operation.input else ()) if m.required)
        assert row == f"| {operation_name} | {'yes' if operation_name in built()[name] else 'no'} | {required or 'none'} |"

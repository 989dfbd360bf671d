"""Every error of the reference, row by row: a request provokes it, and status, code and words are what the table says.

The rows are in tests/support/azure_errors. A line of a table without a row fails here, and so does a row that no table has.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.azure.blobs.blob_errors import CODES
from brownout.identity.core.messages import CallFailed
from support.azure_errors import apis, arm, endpoints, entra
from support.azure_errors.documented import documented_errors, not_shown
from support.azure_errors.rows import ErrorRow, ErrorStacks
from support.identity_stacks import Stack, on_stack

ROWS: tuple[ErrorRow, ...] = (*endpoints.ROWS, *arm.ROWS, *entra.ROWS, *apis.ROWS)


@pytest.fixture(scope="module")
def stacks() -> Iterator[ErrorStacks]:
    made = ErrorStacks()
    yield made
    made.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.row_id)
def test_each_row_is_answered_as_the_reference_says(row: ErrorRow, stacks: ErrorStacks) -> None:
    """The request of the row gets that status, that code and these words."""
    told = stacks.answer(row)
    assert (told.status, told.code) == (row.status, row.code), told
    assert row.text in told.text


def test_every_error_of_the_reference_has_a_row() -> None:
    """Each status, code and text that a table of the page names is provoked by a row."""
    assert len(documented_errors()) > 150, "the tables are found"
    assert not_shown(ROWS) == []


def test_every_row_is_in_the_reference() -> None:
    """A row's status and code stand in a table below its heading, and no two rows have one name."""
    errors = documented_errors()
    assert [row.row_id for row in ROWS if not any(error.allows(row) for error in errors)] == []
    assert len({row.row_id for row in ROWS}) == len(ROWS)


def test_every_code_of_storage_has_a_row() -> None:
    """The account has no code that the table does not have."""
    assert set(CODES) <= {row.code for row in apis.ROWS}


def test_a_metadata_service_that_is_being_updated_may_not_answer_at_all() -> None:
    """The one error of the reference without an answer: a stalled link, and the client's own time limit."""
    link = Carrier("link", "client->sydney.host")

    async def story(stack: Stack) -> str:
        await stack.world.hold(link, "f", LinkEffect("stall"))
        with pytest.raises(CallFailed) as failed:
            await stack.imds("web-1")
        return failed.value.failure

    assert on_stack(story) == "timeout"

"""Places of statements in the text of a document, whatever its layout."""

from __future__ import annotations

import json

import pytest

from brownout.identity.aws.policy.positions import statement_spans
from support.aws_policies import allow, deny, policy_text

STATEMENTS = (allow("s3:Get*"), deny("iam:*"), allow(["a:b", "c:d"], Condition={"Bool": {"aws:SecureTransport": "true"}}))


def cut(text: str) -> list[object]:
    """What stands at the places that were found, as JSON."""
    lines = text.split("\n")
    found = []
    for span in statement_spans(text):
        inner = lines[span.start.line - 1 : span.end.line]
        inner[-1] = inner[-1][: span.end.column]
        inner[0] = inner[0][span.start.column - 1 :]
        found.append(json.loads("\n".join(inner)))
    return found


@pytest.mark.parametrize("indent", [None, 0, 2, 4])
def test_the_places_hold_the_statements(indent: int | None) -> None:
    """Cutting the text at the places gives each statement back."""
    text = json.dumps(json.loads(policy_text(*STATEMENTS)), indent=indent)
    assert cut(text) == list(STATEMENTS)
    assert cut("\n\n  " + text + "\n") == list(STATEMENTS)


def test_a_single_statement_needs_no_list() -> None:
    """An object in place of the list has its own place."""
    assert cut(json.dumps({"Id": 'a"]}', "Statement": STATEMENTS[0]}, indent=1)) == [STATEMENTS[0]]


def test_lines_and_columns_count_from_one() -> None:
    """The first character of the text is line 1, column 1."""
    (span,) = statement_spans('{"Statement":{}}')
    assert (span.start.line, span.start.column, span.end.line, span.end.column) == (1, 14, 1, 15)

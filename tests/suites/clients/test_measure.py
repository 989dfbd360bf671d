"""The clients that are installed, measured again: requests and errors exactly as the reference has them, seconds nearly."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from brownout.suites.clients.answers import AGES, ANSWERS, OUTAGES
from brownout.suites.clients.expected import CAE, CUE, Expectation, agrees, differences, expectation
from brownout.suites.clients.measure import PYTHON, cases_of, measure, told_in
from brownout.suites.clients.records import ClientMeasurement

# One answer of each sort: measuring all of them is for the page.
SORTS = (
    "ok",
    "no-expires-in",
    "no-resource",
    "refresh-in-text",
    "html",
    "empty",
    "400",
    "401",
    "410",
    "503",
    "503-after-7",
    "410-3",
)
AGED = ("sync", "async", "msal")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str, str], ClientMeasurement]:
    """Every case of these and no others."""
    wanted = [answer for answer in ANSWERS if answer.name in (*SORTS, "dropped", "refused")]
    rows = asyncio.run(measure(cases_of(PYTHON, wanted, OUTAGES, AGED), {}, tmp_path_factory.mktemp("clients")))
    return {(row.client, row.answer, row.age): row for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [*SORTS, "dropped", "refused"])
def test_a_client_without_a_token_does_as_the_reference_says(
    found: Mapping[tuple[str, str, str], ClientMeasurement], answer: str
) -> None:
    """Requests and error exactly, seconds nearly."""
    for client in PYTHON:
        expected = expectation(client, answer, "")
        assert expected is not None
        assert agrees(found[client, answer, ""], expected), (found[client, answer, ""], expected)


@pytest.mark.slow
@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("answer", [answer.name for answer in OUTAGES])
def test_a_client_with_a_token_does_as_the_reference_says(
    found: Mapping[tuple[str, str, str], ClientMeasurement], answer: str, age: str
) -> None:
    """It goes on with the token that it has, or it raises, after as many requests and seconds of trying."""
    for client in AGED:
        row, expected = found[client, answer, age], expectation(client, answer, age)
        assert expected is None or agrees(row, expected), (row, expected)


def row(client: str, answer: str, requests: int | None, seconds: float, error: str, age: str = "") -> ClientMeasurement:
    return ClientMeasurement(client, "1", answer, age, requests, seconds, error, "2026-01-01")


@pytest.mark.parametrize(
    "measured",
    [
        row("sync", "404", 5, 24.1, CUE),
        row("sync", "404", 6, 23.0, CUE),
        row("sync", "404", 6, 24.1, CAE),
        row("async", "500", 6, 24.1, "", "17 h 30 min"),
    ],
)
def test_a_measurement_that_is_not_as_expected_is_a_difference(measured: ClientMeasurement) -> None:
    """By its requests, its seconds or its error; one that is as expected is none, and neither is one of which nothing is."""
    as_expected, unknown = row("sync", "404", 6, 24.0, CUE), row("java", "404", 9, 9.0, "")
    (found,) = differences((measured, as_expected, unknown))
    assert found.measured == measured
    assert isinstance(found.expected, Expectation)


def test_what_an_sdk_logs_between_a_programs_lines_is_left_out() -> None:
    """Java's logs errors to standard output before the program tells of them; one that tells nothing has failed."""
    logged = "[main] ERROR com.azure.identity - Azure Identity => ERROR"
    assert told_in(f'{logged}\n{{"error": ""}}\n{logged}\n{{"error": "x"}}\n') == [{"error": ""}, {"error": "x"}]
    assert told_in(f"{logged}\n") == []

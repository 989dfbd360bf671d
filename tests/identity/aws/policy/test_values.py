"""Values of conditions as text: what is read, and that anything else is None and never an exception."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brownout.identity.aws.policy import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-5", -5),
        ("+7", 7),
        ("10.50", 10.5),
        ("1e3", 1000.0),
        ("9007199254740993", 9007199254740993),
        ("", None),
        ("abc", None),
        ("nan", None),
        ("inf", None),
        ("1_000", None),
        (" 1", None),
        ("٣", None),
        ("1.", None),
        (".5", None),
        ("9" * 5000, None),
        ("0x10", None),
    ],
)
def test_numbers(text: str, expected: float | None) -> None:
    """Decimal numbers of reasonable length, whole ones exactly."""
    assert values.number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T00:00:00Z", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01t00:00:00z", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T00:00:00", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T05:30Z", datetime(2030, 1, 1, 5, 30, tzinfo=UTC)),
        ("2030-01-01T05Z", datetime(2030, 1, 1, 5, tzinfo=UTC)),
        ("2030-01-01T00:00:00+02:00", datetime(2029, 12, 31, 22, tzinfo=UTC)),
        ("2030-01-01T00:00:00-0230", datetime(2030, 1, 1, 2, 30, tzinfo=UTC)),
        ("2030-01-01T00:00:00.250Z", datetime(2030, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC)),
        ("2016-12-13t2:00:00.593194+23", datetime(2016, 12, 12, 3, 0, 0, 593_194, tzinfo=UTC)),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("1893456000", datetime(2030, 1, 1, tzinfo=UTC)),
        ("00001", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("-1", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_dates(text: str, expected: datetime) -> None:
    """ISO 8601 at every precision, and epoch seconds."""
    assert values.date(text) == expected.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "234-13", "2030-1-32", "2030-00-01", "2030-01-01T25:00:00Z", "2030-01-01T00:61:00Z"),
        *("9223372036854775808", "-9223372036854775808", "2016-12-13t2:00:00.593194+1", "2016-12-13t2:00:00.1999999999+10:59"),
        *("2030-01-01T00:00:00+24:00", "2030-01-01 00:00:00", "2030-02-29", "1900-02-29", "٢٠٣٠", "2030-01-01T00:00:00Z "),
    ],
)
def test_what_is_no_date(text: str) -> None:
    """Other text, fields out of range, and epoch seconds beyond 64 bits."""
    assert values.date(text) is None


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_dates_agree_with_the_standard_library(moment: datetime) -> None:
    """Every moment of the years 1 to 9999 in UTC."""
    aware = moment.replace(microsecond=0)
    assert values.date(aware.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")) == aware.timestamp()


def test_years_beyond_9999_are_dates() -> None:
    """A year of five digits with a month, 10 days after the year began."""
    found = values.date("12000-01-11")
    year_9999 = values.date("9999-01-11")
    assert found is not None
    assert year_9999 is not None
    assert (found - year_9999) % 86400 == 0
    assert found > year_9999


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("TRUE", True), ("False", False), ("1", None), ("", None)])
def test_booleans(text: str, expected: bool | None) -> None:
    """True and false in any case."""
    assert values.boolean(text) is expected


@pytest.mark.parametrize(("text", "expected"), [("QUJD", b"ABC"), ("", b""), ("QUJ", None), ("Q*JD", None), ("é", None)])
def test_binary(text: str, expected: bytes | None) -> None:
    """Base64 in full."""
    assert values.binary(text) == expected


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
        ("203.0.113.7/24", "203.0.113.0", "203.0.112.255"),
        ("203.0.113.7", "203.0.113.7", "203.0.113.8"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("2001:db8::/32", "2001:DB8:ffff::1", "2001:db9::1"),
        ("::/0", "::1", "127.0.0.1"),
    ],
)
def test_networks(text: str, inside: str, outside: str) -> None:
    """An address lies in a range of its own version."""
    version, base, mask = values.network(text) or (0, 0, 0)
    for address, expected in ((inside, True), (outside, False)):
        found = values.address(address)
        assert found is not None
        assert (found[0] == version and found[1] & mask == base) is expected


@pytest.mark.parametrize("text", ["", "localhost", "256.0.0.1", "10.0.0.0/33", "10.0.0.1/a", "1.2.3", "::g"])
def test_what_is_no_network(text: str) -> None:
    """Names, parts out of range and prefixes that are too long."""
    assert values.network(text) is None
    assert values.address(text) is None


@settings(deadline=None)
@given(st.text(max_size=30))
def test_no_text_raises(text: str) -> None:
    """Every reader answers every text."""
    for read in (values.number, values.date, values.boolean, values.binary, values.network, values.address):
        read(text)

"""Values that have broken programs before, as YAML and as JSON writes them."""

from __future__ import annotations

import json
import math
from typing import Any

DIGITS = "9" * 5_000

WORDS: tuple[str, ...] = (
    "010", "0600", "0x1F", "0b11", "1_000", "+5", "-0", "-1", "0", "1", "2", "1.0", "0.5", "1.", ".5", "1e3", "1.0e+12",
    "1.0e+400", "-1.0e+12", "1e999", ".inf", "-.inf", ".nan", ".NaN", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", DIGITS, f"0.{DIGITS}", f"1{'0' * 400}", "1e-400", "5e-324", "0.9999999999999999",
    "0.99999999999999999999", "1e-12", "yes", "no", "on", "off", "true", "false", "True", "~", "null", "", "y", "N",
    "12:30", "1:2:3", "24:00", "'24:00'", '"23:59:59"', '"00:00"', "2024-02-30", "2024-07-12T01:02:03Z", "1969-12-31",
    "9999-12-31", "0s", "-1s", "1ms", "1d", "99999999999d", f"{DIGITS}s", "1e3s", "nans", "infs", "60s", "5m", '"5m "',
    '"٣s"', '"1.5.5s"', '""', '" "', '"\\0"', '"\\a"', '"\\e[2J"', '"\\uD800"', '"\\uDFFF\\uD800"', '"\\x85"', '"\\u202E"',
    '"\\U0001F600"', '"\\uFEFF"', '"../../../etc"', '"/etc/passwd"', '"a/b"', '".."', '"."', '"-"', '"--help"', '"%s%n"',
    '"{0}"', "'; rm -rf'", '"' + "x" * 5_000 + '"', "!!int x", "!!float x", "!!int '5'", "!!str 5", "!!binary aGk=",
    "!!binary x", "!!timestamp x", "!!set {a}", "!!omap [a]", "!!pairs [a: 1]", "!!null x", "!!bool x", "!foo bar",
    "!!python/name:os.system ''", "&a x", "*a", "&a [*a]", "<<", "=", "? x", "- x", "[", "]", "{", "}", "[]", "{}", "[[]]",
    "[{}]", "{a: b}", "{a: {b: {c: d}}}", "[1, 2]", "{1: 2}", "{null: 1}", "{[a]: b}", "[a, a]", "{<<: {a: 1}}", "{<<: 5}",
    "{<<: [1]}", "{<<: [*a]}", "|", ">", "|\n  x", "%", "@", "`", "#", "a #b", "a: b", "\t", "\u2028", "\ufeff", "é", "切断",
    "[" * 30 + "]" * 30, "[" * 500 + "]" * 500, "{a: " * 200 + "1" + "}" * 200, "2.0", '"2.0"', '"1.0"', "sydney",
    "melbourne", "token", "200", "100", "199", "299", "301", "429", "599", "600", "fault", "pass", "breach", "processes",
    "simulation", "compose",
)  # fmt: skip

JSON_VALUES: tuple[str, ...] = (
    "null", "true", "false", "0", "-1", "1", "0.5", "1e3", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", DIGITS,
    f"1{'0' * 400}", "9223372036854775808", "-9223372036854775809", "5e-324", '""', '"x"', '"\\u0000"', '"\\ud800"',
    '"\\u001b[2J"', '"../.."', '"' + "x" * 5_000 + '"', '"1969-01-01"', '"2024-07-12T00:00:00+00:00"', '"0001-01-01"',
    '"pass"', '"breach"', '"happened"', '"60.0s"', '"nan"', "[]", "{}", "[[]]", "[{}]", '{"a": 1}', '[null]', '["x", 1]',
    "[" * 300 + "]" * 300, '{"a":' * 200 + "1" + "}" * 200, "'", "{", "}",
)  # fmt: skip


def plain_values() -> tuple[Any, ...]:
    """The same as Python reads them, for derived experiments; what it cannot read is left out."""
    found: list[Any] = [math.nan, math.inf, -math.inf, 2**63, 10**400, "\ud800", b"x", object(), (1,), {1: 2}, {"a"}]
    for text in JSON_VALUES:
        try:
            found.append(json.loads(text))
        except (ValueError, RecursionError):
            continue
    return tuple(found)

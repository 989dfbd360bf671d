"""One-time passwords: the vectors of RFC 6238, drift, reuse, and two codes in a row."""

from __future__ import annotations

import base64

import pytest

from brownout.identity.aws.auth.totp import are_consecutive, code_of, matching_period, period_of, seed_bytes

SEED = b"12345678901234567890"
NOW_S = 1_111_111_109.0
DIGITS = "1234567890"
# RFC 6238, appendix B: the seed is as long as the algorithm's hash.
VECTORS = [
    ("sha1", 59, "94287082"),
    ("sha256", 59, "46119246"),
    ("sha512", 59, "90693936"),
    ("sha1", 1_111_111_109, "07081804"),
    ("sha256", 1_111_111_109, "68084774"),
    ("sha512", 1_111_111_109, "25091201"),
    ("sha1", 1_111_111_111, "14050471"),
    ("sha256", 1_111_111_111, "67062674"),
    ("sha512", 1_111_111_111, "99943326"),
    ("sha1", 1_234_567_890, "89005924"),
    ("sha256", 1_234_567_890, "91819424"),
    ("sha512", 1_234_567_890, "93441116"),
    ("sha1", 2_000_000_000, "69279037"),
    ("sha256", 2_000_000_000, "90698825"),
    ("sha512", 2_000_000_000, "38618901"),
    ("sha1", 20_000_000_000, "65353130"),
    ("sha256", 20_000_000_000, "77737706"),
    ("sha512", 20_000_000_000, "47863826"),
]
LENGTHS = {"sha1": 20, "sha256": 32, "sha512": 64}


@pytest.mark.parametrize(("algorithm", "now_s", "code"), VECTORS)
def test_codes_are_those_of_the_standard(algorithm: str, now_s: int, code: str) -> None:
    """Every vector of RFC 6238's appendix B."""
    seed = (DIGITS * 7)[: LENGTHS[algorithm]].encode()
    assert code_of(seed, period_of(now_s), digits=8, algorithm=algorithm) == code


def test_a_code_has_six_digits_with_its_zeros() -> None:
    """The last six digits of the standard's eight."""
    assert code_of(SEED, period_of(NOW_S)) == "081804"


@pytest.mark.parametrize(("late_s", "good"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
def test_a_code_of_the_next_period_is_taken_and_none_further(late_s: float, good: bool) -> None:
    """Clocks may be one period apart."""
    code = code_of(SEED, period_of(NOW_S))
    assert (matching_period(SEED, code, NOW_S + late_s) == period_of(NOW_S)) is good


@pytest.mark.parametrize("code", ["", "000000", "81804", "0081804", " 081804", "٠٨١٨٠٤", "08180\ud800"])
def test_any_other_text_is_no_code(code: str) -> None:
    """Too short, too long, other digits, no text at all."""
    assert matching_period(SEED, code, NOW_S) is None


def test_a_code_is_good_once() -> None:
    """Who remembers the period refuses its code and those before, and takes the next."""
    period = matching_period(SEED, code_of(SEED, period_of(NOW_S)), NOW_S)
    assert period is not None
    assert matching_period(SEED, code_of(SEED, period), NOW_S, after=period) is None
    assert matching_period(SEED, code_of(SEED, period - 1), NOW_S, after=period) is None
    assert matching_period(SEED, code_of(SEED, period + 1), NOW_S, after=period) == period + 1


def test_two_codes_in_a_row_enable_a_device() -> None:
    """In their order, and near enough to now."""
    now = period_of(NOW_S)
    codes = {away: code_of(SEED, now + away) for away in range(-4, 5)}
    assert are_consecutive(SEED, codes[-1], codes[0], NOW_S)
    assert are_consecutive(SEED, codes[0], codes[1], NOW_S)
    assert not are_consecutive(SEED, codes[1], codes[0], NOW_S)
    assert not are_consecutive(SEED, codes[0], codes[0], NOW_S)
    assert not are_consecutive(SEED, codes[-1], codes[1], NOW_S)
    assert not are_consecutive(SEED, codes[-4], codes[-3], NOW_S)
    assert not are_consecutive(SEED, codes[3], codes[4], NOW_S)


def test_the_first_periods_of_all_have_codes() -> None:
    """Emulated time may begin in 1970."""
    assert matching_period(SEED, code_of(SEED, 0), 0.0) == 0
    assert are_consecutive(SEED, code_of(SEED, 0), code_of(SEED, 1), 5.0)


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda text: " ".join(text), lambda text: text.rstrip("=")])
def test_a_seed_is_read_as_people_type_it(change: object) -> None:
    """Case, blanks and padding do not matter."""
    assert callable(change)
    assert seed_bytes(change(base64.b32encode(SEED + b"!").decode())) == SEED + b"!"


def test_what_is_no_base32_is_no_seed() -> None:
    """ValueError, so that whoever reads a seed can refuse it."""
    with pytest.raises(ValueError, match="Non-base32"):
        seed_bytes("01890189")

"""What was used is kept until the directory took it, the newest use of each."""

from __future__ import annotations

import pytest

from brownout.identity.aws.records.principals import LastUsed, UsageReport
from brownout.identity.aws.regional.usage import Usage
from brownout.identity.core.messages import decode_json, encode_json


def test_the_newest_use_of_each_is_kept() -> None:
    """A key that is used a thousand times is one entry."""
    usage = Usage("ap-southeast-2")
    for second in range(1000):
        usage.note("AKIA1", "sts", float(second))
    usage.note("role/app", "iam", 5.0)
    assert len(usage) == 2
    assert usage.take() == (
        LastUsed("AKIA1", 999.0, "ap-southeast-2", "sts"),
        LastUsed("role/app", 5.0, "ap-southeast-2", "iam"),
    )
    assert len(usage) == 0


def test_a_batch_that_was_not_taken_comes_again() -> None:
    """Unless there is a newer use by then."""
    usage = Usage("ap-southeast-2")
    usage.note("AKIA1", "sts", 1.0)
    usage.note("AKIA2", "sts", 1.0)
    lost = usage.take()
    usage.note("AKIA2", "iam", 2.0)
    usage.put_back(lost)
    assert {use.subject: (use.at_s, use.service) for use in usage.take()} == {"AKIA1": (1.0, "sts"), "AKIA2": (2.0, "iam")}


def test_a_report_is_read_as_it_was_written() -> None:
    """Inside one process and from JSON, as it comes over a wire."""
    report = UsageReport((LastUsed("AKIA1", 1.5, "ap-southeast-2", "sts"), LastUsed("role/app", 2.0, "ap-southeast-4", "iam")))
    assert UsageReport.from_json(report.to_json()) is report
    assert UsageReport.from_json(decode_json(encode_json(report.to_json()))) == report
    with pytest.raises(KeyError):
        UsageReport.from_json({})

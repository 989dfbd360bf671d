"""The page of a series: offline, inert whatever its texts are, with every episode."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from brownout.harness.record.result import GateResult
from brownout.harness.series.verdict import judge_series
from brownout.reports.html.series import page, write
from support.series_results import made, run_result, series_plan

HOSTILE = """<img src=x onerror=alert(1)>"'</script><script>alert(2)</script>"""
LAGGED = GateResult(name="generator-lag", passed=False, reason=HOSTILE)


def test_every_episode_is_a_dot_and_one_that_does_not_count_a_ring(tmp_path: Path) -> None:
    """The table says why it does not count, and links to the report of an episode that has one."""
    plan, episodes = made([*[run_result(bad) for bad in (0, 1, 2, 1, 0)], run_result(700, verdict="breach", gates=(LAGGED,))])
    left_out = episodes[5].result.model_copy(update={"verdict": "inconclusive"})
    episodes = (*episodes[:5], type(episodes[5])(episodes[5].planned, left_out))
    (tmp_path / "episode-02").mkdir()
    (tmp_path / "episode-02" / "report.html").write_text("x")
    text = page(judge_series(plan, episodes), tmp_path)
    assert text.count("<circle") == 6
    assert text.count('class="left-out"') == 1
    assert "does not count: generator-lag" in text
    assert re.findall(r'href="([^#][^"]*)"', text) == ["episode-02/report.html"]
    assert "Pass, about the system" in text


def test_the_page_is_inert_and_offline(tmp_path: Path) -> None:
    """No text of the record becomes markup, and the policy allows no request."""
    _, episodes = made([run_result(0, verdict="inconclusive", gates=(LAGGED,))] * 5)
    plan = series_plan(5, title=HOSTILE, command=HOSTILE, description=HOSTILE, posture_description=HOSTILE)
    written = write(judge_series(plan, episodes, cut_short=HOSTILE), tmp_path)
    text = written.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "<script>alert" not in text
    assert "default-src 'none'" in unescape(text)
    assert written.name == "series.html"

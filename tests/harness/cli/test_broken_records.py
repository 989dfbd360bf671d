"""`brownout report` on whatever a kill may leave behind: any byte may be the last one."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from brownout.harness.cli import main
from support.brownout_command import PROGRAM, TIMEOUT_S, invoke, small

pytestmark = pytest.mark.slow

CUTS = 3


def thinner() -> dict[str, Any]:
    return {"cohorts": [{"name": "callers", "model": "token", "region": "sydney", "rate_per_s": 10, "machines": ["web"]}]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run whose record holds more than ASCII."""
    work = tmp_path_factory.mktemp("finished")
    schedule = [
        {
            "name": "cut",
            "at": "00:01:02",
            "until": "00:01:07",
            "role": "fault",
            "fault": "link-refuse",
            "with": {"link": "client->sydney.host"},
            "note": "durchgetrennt – 切断 – разрыв",
        }
    ]
    path = small(work, schedule=schedule, load=thinner(), gates={"steady_state": False})
    told = CliRunner(env={"BROWNOUT_HOME": str(work / "home")}).invoke(
        main, ["run", str(path), "--world", "simulation", "--out", str(work / "runs"), "--json"]
    )
    assert json.loads(told.stdout)["verdict"] == "breach"
    return work / "runs" / "small-simulation-plain-1"


@pytest.fixture
def folder(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished run to damage."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def report(folder: Path, *arguments: str) -> Result:
    return invoke("report", str(folder), *arguments)


def result_of(folder: Path) -> dict[str, Any]:
    """What a report made of the folder; its page is there too."""
    (folder / "report.html").unlink(missing_ok=True)
    told = report(folder, "--json")
    assert told.exit_code == 0, told.output
    assert (folder / "report.html").stat().st_size > 10_000
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def cut(path: Path, length: int) -> None:
    with path.open("r+b") as file:
        file.truncate(length)


def test_a_report_of_a_finished_run_changes_nothing(folder: Path) -> None:
    """Made again, result and record are what the run itself wrote, and one page is like the other, byte for byte."""
    before = {name: (folder / name).read_bytes() for name in ("result.json", "events.jsonl", "requests.jsonl")}
    pages = []
    for _ in range(2):
        subprocess.run([str(PROGRAM), "report", str(folder)], check=True, capture_output=True, timeout=TIMEOUT_S)
        pages.append((folder / "report.html").read_bytes())
        assert {name: (folder / name).read_bytes() for name in before} == before
    assert pages[0] == pages[1]


@pytest.mark.parametrize("arguments", [("--json",), ("--markdown",), ("--junit",), ()])
def test_a_report_comes_in_four_forms(folder: Path, arguments: tuple[str, ...]) -> None:
    """Each form names the experiment on stdout, and only the form that was asked for."""
    told = report(folder, *arguments)
    assert told.exit_code == 0
    assert told.stdout.strip()
    starts = {"--json": "{", "--markdown": "#", "--junit": "<?xml"}
    if arguments:
        assert told.stdout.lstrip().startswith(starts[arguments[0]])


def lines_end(path: Path) -> list[int]:
    """Lengths at which the file ends with a whole line."""
    content = path.read_bytes()
    return [0, *(index + 1 for index, byte in enumerate(content) if byte == ord("\n"))]


def inside_a_character(path: Path) -> int:
    """A length that cuts a character of several bytes in two."""
    content = path.read_bytes()
    return next(index for index, byte in enumerate(content) if 0x80 <= byte < 0xC0)


@pytest.mark.parametrize("name", ["events.jsonl", "requests.jsonl"])
def test_a_record_cut_at_any_byte_still_makes_a_report(folder: Path, name: str) -> None:
    """At random places, at whole lines, and within a character: a report, and never a pass or a breach of a cut run."""
    path = folder / name
    whole = path.read_bytes()
    (folder / "result.json").unlink()
    chance = random.Random(20240712)
    lengths = [0, 1, len(whole) - 1, chance.choice(lines_end(path)[1:-1])]
    lengths += [chance.randrange(len(whole)) for _ in range(CUTS)]
    if name == "events.jsonl":
        lengths.append(inside_a_character(path))
    for length in lengths:
        path.write_bytes(whole[:length])
        result = result_of(folder)
        if name == "events.jsonl":
            assert (result["verdict"], result["finished"]) == ("inconclusive", False), length
            assert any("cut off" in reason for reason in result["reasons"]), length
        else:
            assert result["verdict"] in ("inconclusive", "breach"), length


def without(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return remove


def torn_result(folder: Path) -> None:
    cut(folder / "result.json", 100)


@pytest.mark.parametrize(
    "damage", [without("result.json"), torn_result, without("report.html"), without("result.json", "report.html")]
)
def test_what_was_evaluated_is_made_again(folder: Path, damage: Callable[[Path], None]) -> None:
    """Results and pages are made from the record, so losing them loses nothing."""
    verdict, digest = (json.loads((folder / "result.json").read_text())[name] for name in ("verdict", "digest"))
    damage(folder)
    result = result_of(folder)
    assert (result["verdict"], result["digest"]) == (verdict, digest)


@pytest.mark.parametrize("names", [("events.jsonl",), ("requests.jsonl",), ("events.jsonl", "requests.jsonl", "result.json")])
def test_a_record_of_which_files_are_missing_is_inconclusive(folder: Path, names: tuple[str, ...]) -> None:
    """A run that was killed before it had written anything, or whose files were lost, is no pass and no breach."""
    without(*names)(folder)
    assert result_of(folder)["verdict"] == "inconclusive"


def test_what_is_no_run_is_refused(folder: Path, tmp_path: Path) -> None:
    """A missing, an empty and a damaged run folder, and a file, each end with exit code 2 and their path in the message."""
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", folder / "result.json", tmp_path / "nowhere"):
        told = report(path)
        assert (told.exit_code, told.stdout) == (2, "")
        assert f"{path} is not a run folder" in told.stderr
    cut(folder / "run.json", 200)
    told = report(folder)
    assert told.exit_code == 2
    assert f"{folder / 'run.json'} is damaged" in told.stderr


def test_a_line_that_is_damaged_in_the_middle_is_told(folder: Path) -> None:
    """Damage that no kill can cause is not read over: exit 2 with the file and line, and no new verdict."""
    before = (folder / "result.json").read_bytes()
    path = folder / "requests.jsonl"
    content = path.read_bytes()
    path.write_bytes(content[:50] + b"\n" + content[60:])
    told = report(folder)
    assert told.exit_code == 2
    assert f"{path}:1:" in told.stderr
    assert "the record is damaged: this is no JSON" in told.stderr
    assert (folder / "result.json").read_bytes() == before


def test_a_log_that_was_changed_after_the_run_proves_nothing(folder: Path) -> None:
    """Edited, or of another run: gate `record` fails at each report, until what was judged is back."""
    path, verdict = folder / "events.jsonl", result_of(folder)["verdict"]
    whole = path.read_text(encoding="utf-8")
    path.write_text("".join(line for line in whole.splitlines(True) if '"kind":"gate"' not in line), encoding="utf-8")
    for _ in range(2):
        changed = result_of(folder)
        assert changed["verdict"] == "inconclusive"
        assert any(reason.startswith("record: events.jsonl or requests*.jsonl is not") for reason in changed["reasons"])
    path.write_text(whole, encoding="utf-8")
    assert result_of(folder)["verdict"] == verdict


def test_a_log_that_is_there_twice_is_told(folder: Path) -> None:
    """A copied log would count its requests twice: exit 2 with the line, and no new verdict."""
    before = (folder / "result.json").read_bytes()
    copy = folder / "requests-copy.jsonl"
    copy.write_bytes((folder / "requests.jsonl").read_bytes())
    told = report(folder)
    assert told.exit_code == 2
    assert "count twice" in told.stderr
    assert (folder / "result.json").read_bytes() == before

"""Commands that start nothing: `validate`, `schema`, `report`, `doctor`, and what the frame does for all of them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from brownout.harness.doctor import checks as doctor
from brownout.harness.doctor.checks import Check
from support.brownout_command import PROGRAM, TIMEOUT_S, invoke, small
from support.places import DOCS

pytestmark = pytest.mark.usefixtures("work")


def test_a_sound_file_has_no_problem(work: Path) -> None:
    """`validate` names the file and exits with 0, for a path and for an installed experiment's name."""
    assert invoke("validate", str(small(work))).stdout == f"{work / 'small.yaml'}: no problem found\n"
    assert invoke("validate", "ftvr-l9z").exit_code == 0


def test_every_mistake_of_a_broken_file_is_told_with_its_place(work: Path) -> None:
    """`file:line:column`, what is wrong and a suggestion, for each mistake; nothing on stdout."""
    path = small(work)
    lines = path.read_text().replace("fault: link-refuse", "fault: link-refused").replace("rate_per_s: 40", "rate_per_s: -4")
    path.write_text(lines)
    for arguments in (("validate", str(path)), ("run", str(path), "--world", "simulation")):
        told = invoke(*arguments)
        assert (told.exit_code, told.stdout) == (2, "")
        assert f"{path}:" in told.stderr
        assert "rate_per_s" in told.stderr
    path.write_text(lines.replace("rate_per_s: -4", "rate_per_s: 4"))
    told = invoke("validate", str(path))
    number = next(i for i, line in enumerate(path.read_text().splitlines(), 1) if "link-refused" in line)
    assert f"{path}:{number}:" in told.stderr
    assert "link-refuse" in told.stderr.replace("link-refused", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ""),
        (b"just text", ""),
        (b"a: [1, 2", ":1:"),
        (b"\xff\xfe\x00", ""),
        (b"!!python/object/apply:os.system ['true']", ""),
    ],
)
def test_what_is_no_experiment_is_refused(work: Path, content: bytes, words: str) -> None:
    """Whatever the file holds, `validate` ends with 2 and a message that names it."""
    path = work / "broken.yaml"
    path.write_bytes(content)
    told = invoke("validate", str(path))
    assert told.exit_code == 2
    assert f"{path}{words}" in told.stderr


TOO_LONG = "x" * 300  # no file can have this name: a look whether it is there is an error of its own


@pytest.mark.parametrize(
    "command",
    [
        ("validate", TOO_LONG),
        ("validate", f"{TOO_LONG}.yaml"),
        ("report", TOO_LONG),
        ("compare", TOO_LONG, "."),
        ("search", "--for", "1s", "--out", TOO_LONG),
        ("search", "--resume", TOO_LONG),
        ("run", "small.yaml", "--world", "simulation", "--out", TOO_LONG),
        ("run", "small.yaml", "--world", "simulation", "--episodes", "2", "--out", TOO_LONG),
        *(("run", "small.yaml", "--world", "simulation", option, TOO_LONG) for option in ("--junit", "--markdown", "--html")),
        ("init", "app", "--to", TOO_LONG),
        ("env", "--stack-file", TOO_LONG),
        ("up", "--stack-file", TOO_LONG),
        ("up", "--stack-file", f"{TOO_LONG}/stack.json"),
    ],
    ids=lambda command: " ".join(command).replace(TOO_LONG, "NAME"),
)
def test_a_name_that_no_file_can_have_is_refused_wherever_one_is_named(work: Path, command: tuple[str, ...]) -> None:
    """Exit code 2, and a message that says which."""
    small(work)
    told = invoke(*command)
    assert (told.exit_code, told.exception is None or isinstance(told.exception, SystemExit)) == (2, True), told.exception
    assert TOO_LONG in told.stderr.replace("\n", "")


@pytest.mark.parametrize(
    ("name", "words"), [("missing.yaml", "there is no file"), (".", "is a folder"), ("ftvr", "did you mean")]
)
def test_a_file_that_is_not_there_is_refused(name: str, words: str) -> None:
    """A missing file, a folder and an unknown name end with 2."""
    told = invoke("validate", name)
    assert told.exit_code == 2
    assert words in told.stderr


def test_the_schema_is_json_and_is_the_published_one() -> None:
    """`schema` prints a JSON Schema, the same as in the docs."""
    text = invoke("schema").stdout
    assert json.loads(text)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    published = DOCS / "experiment.schema.json"
    assert json.loads(published.read_text()) == json.loads(text)


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 4)])
def test_doctor_ends_with_4_when_something_needs_attention(monkeypatch: pytest.MonkeyPatch, ok: bool, code: int) -> None:
    """The exit code tells a script, `--json` gives it the checks."""
    found = (Check("ports", ok, "told", "" if ok else "mend it"),)
    monkeypatch.setattr(doctor, "checks", lambda **_: found)
    told = invoke("doctor", "--json")
    assert told.exit_code == code
    assert json.loads(told.stdout) == {"checks": [{"name": "ports", "ok": ok, "detail": "told", "fix": found[0].fix}]}
    assert invoke("doctor").exit_code == code


@pytest.mark.parametrize("command", ["status", "down", "heal"])
def test_commands_on_stacks_do_nothing_where_there_is_none(work: Path, command: str) -> None:
    """They say so, exit with 0 and make no state folder."""
    told = invoke(command)
    assert told.exit_code == 0
    assert told.stdout in ("no stack is up\n", "nothing to heal\n")


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("{}", "is not a stack file"), ("not JSON", "is not a stack file")]
)
def test_env_without_a_stack_file_is_bad_usage(work: Path, content: str | None, words: str) -> None:
    """Without a valid stack file the error says which command writes one, and nothing is exported."""
    if content is not None:
        (work / "stack.json").write_text(content)
    told = invoke("env")
    assert (told.exit_code, told.stdout) == (2, "")
    assert words in told.stderr
    assert "brownout up" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--world", "simulation"), "cannot be left up"),
        (("--posture", "nope"), "has no posture 'nope'"),
        (("--posture", "nope:nope"), "there is no experiment 'nope'"),
        (("--rate", "0"), "Invalid value for '--rate'"),
        (("--stack-file", "nowhere/stack.json"), "is no folder"),
    ],
)
def test_an_up_that_cannot_be_is_refused_before_anything_starts(work: Path, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2 with words that help, and no stack in the ledger."""
    told = invoke("up", *arguments)
    assert told.exit_code == 2
    assert words in told.stderr
    assert invoke("status").stdout == "no stack is up\n"


def test_a_ledger_that_cannot_be_read_is_told(work: Path) -> None:
    """Leftovers that cannot be known are no reason to go on as if there were none: exit 4 with what to do."""
    (work.parent / "home").mkdir()
    (work.parent / "home" / "ledger.sqlite").write_bytes(b"this is no database" * 100)
    told = invoke("status")
    assert told.exit_code == 4
    assert "the ledger" in told.stderr
    assert "BROWNOUT_HOME" in told.stderr


def test_a_reader_who_goes_away_is_no_failure() -> None:
    """`brownout schema | head -1` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    told = subprocess.run([str(PROGRAM), "schema"], stdout=writer, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
    os.close(writer)
    assert (told.returncode, told.stderr) == (0, b"")


def test_several_files_are_all_checked(work: Path) -> None:
    """Exit code 2 when any is wrong, and the problems of every one of them."""
    sound = small(work)
    for name in ("one", "two"):
        (work / f"{name}.yaml").write_text("name: [")
    told = invoke("validate", str(work / "one.yaml"), str(sound), "no-such", str(work / "two.yaml"))
    assert told.exit_code == 2
    for words in ("one.yaml:1:", f"{sound}: no problem found", "there is no experiment 'no-such'", "two.yaml:1:"):
        assert words in told.output
    assert invoke("validate", str(sound), str(sound)).exit_code == 0

"""`brownout run --episodes` and `brownout compare` in the simulation, from the command to the page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from brownout.harness import api
from brownout.harness.errors import Halted
from brownout.harness.series import run as series_run
from support.brownout_command import invoke, small


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two series of five episodes of an experiment in which a link is cut."""
    folder = tmp_path_factory.mktemp("series")
    file = small(folder)
    for seed in ("1", "2"):
        told = invoke(
            "run", str(file), "--world", "simulation", "--episodes", "5", "--seed", seed, "--out", str(folder / "runs")
        )
        assert told.exit_code == 1, told.output
    return folder


def series(work: Path, seed: int = 1) -> Path:
    return work / "runs" / f"small-simulation-plain-{seed}-x5"


def test_a_series_leaves_a_folder_for_each_episode_and_a_page(work: Path) -> None:
    """Every episode is a whole run with draws of its own; the page shows each, and names no script from elsewhere."""
    plan = json.loads((series(work) / "series.json").read_text())
    headers = [json.loads((series(work) / one["folder"] / "run.json").read_text()) for one in plan["episodes"]]
    assert [header["seed"] for header in headers] == [one["seed"] for one in plan["episodes"]]
    assert [header["offset_s"] for header in headers] == [one["offset_s"] for one in plan["episodes"]]
    assert len({header["seed"] for header in headers}) == len({header["offset_s"] for header in headers}) == 5
    page = (series(work) / "series.html").read_text()
    assert all(one["folder"] in page for one in plan["episodes"])
    assert page.count("<circle") == 5
    assert "src=" not in page


def test_an_episode_is_repeated_by_its_command(work: Path, tmp_path: Path) -> None:
    """The command in its `run.json` makes the very same history again."""
    own = series(work) / "episode-02"
    command = json.loads((own / "run.json").read_text())["command"].split()
    assert invoke(*command[1:], "--out", str(tmp_path)).exit_code == 1
    (again,) = tmp_path.iterdir()
    assert (again / "requests.jsonl").read_bytes() == (own / "requests.jsonl").read_bytes()


def test_a_series_that_was_cut_goes_on_with_the_same_figures(work: Path, tmp_path: Path) -> None:
    """One episode was killed, one never begun: they are carried out, the others are kept, and all is as if nothing had been."""
    cut = tmp_path / "cut"
    shutil.copytree(series(work), cut)
    for name in ("series-result.json", "series.html"):
        (cut / name).unlink()
    shutil.rmtree(cut / "episode-05")
    killed = cut / "episode-02"
    (killed / "result.json").unlink()
    log = (killed / "events.jsonl").read_text().splitlines(keepends=True)
    (killed / "events.jsonl").write_text("".join(log[: len(log) // 2]))
    kept = (cut / "episode-01" / "requests.jsonl").stat().st_mtime_ns
    words = ("run", str(work / "small.yaml"), "--world", "simulation", "--episodes", "5", "--seed", "1")
    told = invoke(*words, "--resume", str(cut), "--json")
    assert told.exit_code == 1, told.output
    assert (cut / "episode-02-cut-1").is_dir()
    assert (cut / "episode-01" / "requests.jsonl").stat().st_mtime_ns == kept
    results = [json.loads((folder / "series-result.json").read_text()) for folder in (cut, series(work))]
    timing = ("wall_s", "digest", "started_at", "command")
    assert _without(results[0], timing) == _without(results[1], timing)
    for name in ("episode-02", "episode-05"):
        assert (cut / name / "requests.jsonl").read_bytes() == (series(work) / name / "requests.jsonl").read_bytes()


def _without(value: object, names: tuple[str, ...]) -> object:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (("--seed", "3", "--episodes", "5"), "its seed, episodes differs"),
        (("--seed", "1", "--episodes", "6"), "its episodes differs"),
        (("--seed", "1", "--episodes", "5", "--set", "host_refresh_fraction=1.0"), "has changed since"),
        (("--seed", "1"), "--resume is for a series of runs"),
    ],
)
def test_another_series_is_not_gone_on_with(work: Path, changed: tuple[str, ...], says: str) -> None:
    """Other draws, more episodes or another system would be a series of two things; nothing is touched."""
    before = sorted(path.name for path in series(work).iterdir())
    told = invoke("run", str(work / "small.yaml"), "--world", "simulation", *changed, "--resume", str(series(work)))
    assert told.exit_code == 2
    assert says in told.output.replace("\n", " ")
    assert sorted(path.name for path in series(work).iterdir()) == before


def test_a_series_is_judged_again(work: Path) -> None:
    """`report` on its folder comes to the same result, from the episodes' records alone."""
    before = json.loads((series(work) / "series-result.json").read_text())
    told = invoke("report", str(series(work)), "--json")
    assert (told.exit_code, json.loads(told.stdout)) == (0, before)
    assert before["verdict"] == "breach"
    assert before["reasons"][0].startswith("tokens: ")
    assert invoke("report", str(series(work)), "--junit").exit_code == 2


def test_two_series_are_compared(work: Path) -> None:
    """Two of one system show no difference; the JSON has the bounds that the text shows."""
    told = invoke("compare", str(series(work)), str(series(work, 2)), "--json")
    found = json.loads(told.stdout)
    assert (found["schema"], found["scope"], found["experiment"]) == ("brownout/comparison/v1", "system", "small")
    assert {one["verdict"] for one in found["rows"]} <= {"no difference seen", "not comparable"}
    assert found["exit_code"] == told.exit_code
    assert invoke("compare", str(series(work)), str(series(work, 2)), "--margin", "50").exit_code == 0
    text = invoke("compare", str(series(work)), str(series(work, 2))).stdout
    assert "about the system" in text
    assert "no difference seen" in text


def test_wrong_folders_are_told(work: Path, tmp_path: Path) -> None:
    """A folder that is none, the same one twice, and a series of another version: exit code 2, and what to do."""
    one = str(series(work))
    shutil.copytree(series(work), tmp_path / "old")
    plan = tmp_path / "old" / "series.json"
    plan.write_text(plan.read_text().replace("series/v1", "series/v0"))
    shutil.copytree(series(work), tmp_path / "twice")
    plan = tmp_path / "twice" / "series.json"
    plan.write_text(plan.read_text().replace("episode-02", "episode-01"))
    for arguments, words in (
        (("compare", one, str(tmp_path / "nowhere")), "is not a run folder"),
        (("compare", one, one), "is on both sides"),
        (("compare", one, str(tmp_path / "old")), "of another version"),
        (("report", str(tmp_path / "old")), "of another version"),
        (("report", str(tmp_path / "twice")), "an episode is there twice"),
        (("run", str(work / "small.yaml"), "--episodes", "0"), "is not from 1 to 1000"),
        (("run", str(work / "small.yaml"), "--episodes", "5", "--offset", "3s"), "draws the offsets"),
        (("run", str(work / "small.yaml"), "--episodes", "1000"), "--longest"),
    ):
        told = invoke(*arguments)
        assert (told.exit_code, words in told.stderr) == (2, True), (arguments, told.stderr)


def test_a_dry_run_shows_the_draws(work: Path, tmp_path: Path) -> None:
    """Nothing is made; the draws are those of the series, and a longer one begins with the same."""
    out = str(tmp_path / "runs")
    told = invoke("run", str(work / "small.yaml"), "--world", "simulation", "--episodes", "7", "--dry-run", "--out", out)
    plan = json.loads((series(work) / "series.json").read_text())
    assert told.exit_code == 0
    assert all(f"{one['folder']}  seed {one['seed']}" in told.stdout for one in plan["episodes"])
    assert told.stdout.count("episode-") == 7
    assert not (tmp_path / "runs").exists()


Carried = Callable[..., api.Outcome]


def ending(after: int, end: Callable[[api.Outcome], api.Outcome], real: Carried = api.carry_out) -> Carried:
    """`carry_out` whose runs end in another way from the one after `after` on."""
    begun = []

    def carried(*arguments: object, **settings: object) -> api.Outcome:
        begun.append(1)
        outcome = real(*arguments, **settings)
        return outcome if len(begun) <= after else end(outcome)

    return carried


def halted(_: api.Outcome) -> api.Outcome:
    raise Halted("halted since 2024-07-12: enough")


def interrupted(_: api.Outcome) -> api.Outcome:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("end", "code", "why"), [(halted, 3, "halted since"), (interrupted, 130, "it was interrupted")])
def test_what_finished_is_kept(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: Callable[..., api.Outcome], code: int, why: str
) -> None:
    """A halt and an interrupt end the series; two episodes are there and shown, and nothing is claimed."""
    monkeypatch.setattr(series_run, "carry_out", ending(2, end))
    told = invoke("run", str(work / "small.yaml"), "--world", "simulation", "--episodes", "9", "--out", str(tmp_path), "--json")
    found = json.loads(told.stdout)
    assert (told.exit_code, found["verdict"]) == (code, "inconclusive")
    assert why in found["cut_short"]
    assert [one["verdict"] for one in found["episodes"]] == ["breach", "breach"]


def test_a_series_that_could_not_begin_says_why(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A halt before the first episode is the command's own error, as for a run."""
    monkeypatch.setattr(series_run, "carry_out", ending(0, halted))
    told = invoke("run", str(work / "small.yaml"), "--world", "simulation", "--episodes", "5", "--out", str(tmp_path))
    assert told.exit_code == Halted.exit_code
    assert "halted since" in told.stderr


def test_a_killed_series_is_reported(work: Path, tmp_path: Path) -> None:
    """From the episodes that it has; the rest is said to be missing."""
    shutil.copytree(series(work), tmp_path / "killed")
    shutil.rmtree(tmp_path / "killed" / "episode-05")
    (tmp_path / "killed" / "series-result.json").unlink()
    told = invoke("report", str(tmp_path / "killed"))
    assert told.exit_code == 0
    assert "cut short after 4 of 5 episodes" in " ".join(told.stdout.split())

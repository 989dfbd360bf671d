"""Whole run folders, finished and killed, from hand-made histories."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import datetime

import pytest
from pydantic import ValidationError

from brownout.harness.errors import UsageError
from brownout.harness.judge.evaluate import evaluate, evaluate_record, exit_code, failures, is_finished
from brownout.harness.judge.run_folder import RunHeader, read_record, write_header, write_result
from brownout.harness.record.attempts import Attempt
from brownout.harness.record.history import Event, History, Recorder, to_line
from brownout.harness.record.result import ClaimResult, Result
from support.slo_builders import (
    BASELINE,
    END,
    FAULT,
    RECOVERY,
    T0,
    act,
    experiment,
    finished_events,
    outage,
    request,
    requests,
    whole_life,
)

CLAIM = ClaimResult(id="C1", text="impact 00:20-00:40", published="20 min", measured="20 min", status="holds")


def header(**changes):
    fields = {
        "experiment": experiment(),
        "world": "simulation",
        "posture": "broken",
        "seed": 7,
        "versions": {"brownout": "0.1.0"},
        "clock_rate": 1.0,
        "started_at": "2024-07-12T10:00:00+00:00",
        "command": "brownout run tiny",
    }
    return RunHeader(**{**fields, **changes})


def folder_of(path, found, events, **changes):
    """A run folder as a runner leaves it."""
    write_header(path, header(**changes))
    recorder = Recorder(path)
    for event in events:
        recorder.event(event)
    for record in found:
        recorder.request(record)
    recorder.close()
    return path


@pytest.fixture
def breached(tmp_path):
    return folder_of(tmp_path / "run", outage(), finished_events(whole_life()))


def gate_of(result, name):
    return next(gate for gate in result.gates if gate.name == name)


def test_an_outage_is_a_breach_with_all_its_parts(breached):
    """The result of a plain outage has verdict, objective, phases, step, times and alert as they were made."""
    result = evaluate(breached)
    assert (result.verdict, result.exit_code, result.finished) == ("breach", 1, True)
    assert [slo.status for slo in result.slos] == ["breached"]
    assert [phase.name for phase in result.phases] == ["baseline", "onset", "fault", "heal", "recovery"]
    assert result.steps[0].state == "healed"
    assert result.times.impact_start_s == T0 + FAULT
    assert result.times.mitigate == RECOVERY - 1 - FAULT
    assert result.times.detect == result.alerts["new-machines"] - (T0 + FAULT)
    assert all(gate.passed for gate in result.gates)


def test_a_quiet_run_passes(tmp_path):
    """A run whose fault bit and failed no request passes."""
    result = evaluate(folder_of(tmp_path / "run", requests(BASELINE, END), finished_events(whole_life())))
    assert (result.verdict, result.posture_expects, result.unexpected) == ("pass", "breach", True)
    repaired = evaluate(folder_of(tmp_path / "else", requests(BASELINE, END), finished_events(), posture="repaired"))
    assert repaired.posture_expects == "pass"
    assert result.alerts == {"new-machines": None}


def test_the_same_folder_gives_the_same_bytes(breached):
    """Concluding twice, also after writing the result, changes nothing."""
    first = evaluate(breached).model_dump_json(by_alias=True)
    write_result(breached, evaluate(breached))
    assert evaluate(breached).model_dump_json(by_alias=True) == first


def test_the_order_of_the_logs_does_not_matter(tmp_path, breached):
    """Two workers' logs and one log of the same requests lead to the same figures."""
    found = outage()
    split = folder_of(tmp_path / "split", found[::2], finished_events(whole_life()))
    (split / "requests-2.jsonl").write_text("".join(to_line(record) for record in reversed(found[1::2])))
    one, two = evaluate(breached, wall_s=1.0), evaluate(split, wall_s=1.0)
    assert one.model_copy(update={"digest": ""}) == two.model_copy(update={"digest": ""})


def test_the_digest_is_of_the_history_alone(tmp_path, breached):
    """Equal histories have equal digests; one changed line has another."""
    same = folder_of(tmp_path / "same", outage(), finished_events(whole_life()), seed=8)
    other = folder_of(tmp_path / "other", outage(FAULT + 1), finished_events(whole_life()))
    digests = [evaluate(path).digest for path in (breached, same, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("events", "found", "verdict", "words"),
    [
        ([], [], "inconclusive", "cut off before its first phase"),
        (finished_events(whole_life())[:6], outage(), "inconclusive", "cut off at fault"),
        ([*finished_events(whole_life())[:6], act(1300, "stuck", evidence="no answer")], outage(), "unsafe", "no answer"),
        (
            [*finished_events(whole_life())[:-1], Event(T0 + END, "run", "interrupted")],
            outage(),
            "inconclusive",
            "was interrupted at fault",
        ),
        (
            [*finished_events(whole_life()), Event(T0 + END, "run", "aborted", "", {"reason": "a node died"})],
            outage(),
            "harness-error",
            "was aborted at fault: a node died",
        ),
    ],
)
def test_a_run_that_did_not_finish_never_passes_or_breaches(tmp_path, events, found, verdict, words):
    """A killed run is inconclusive and says where; unsafe when something is stuck, harness-error when it gave up."""
    result = evaluate(folder_of(tmp_path / "run", found, events))
    assert (result.finished, result.verdict) == (False, verdict)
    assert words in " ".join(result.reasons)


def test_a_torn_last_line_is_left_out(breached):
    """What a kill tore off in mid-line is not part of the record."""
    with (breached / "requests.jsonl").open("a") as log:
        log.write('{"id": "torn')
    assert evaluate(breached).slos[0].total == 2400


def test_no_gauges_make_a_breach_inconclusive(tmp_path):
    """Without figures on the generator a breach is not trusted."""
    events = [event for event in finished_events(whole_life()) if event.kind != "load"]
    assert evaluate(folder_of(tmp_path / "run", outage(), events)).verdict == "inconclusive"


def test_gauges_json_completes_the_events(tmp_path):
    """The runner's file of last gauges wins over what events said on the way."""
    folder = folder_of(tmp_path / "run", outage(), finished_events(whole_life()))
    (folder / "gauges.json").write_text(json.dumps({"lag_p99_ms": 80.0}))
    assert not gate_of(evaluate(folder), "generator-lag").passed


def test_a_problem_of_the_load_is_told(tmp_path):
    """An event of the kind `problem` fails the gate with its text, once however often it was said."""
    problem = Event(T0 + FAULT, "load", "problem", "worker 2 was lost")
    result = evaluate(folder_of(tmp_path / "run", outage(), [problem, problem, *finished_events(whole_life())]))
    assert gate_of(result, "load-problems").reason == "worker 2 was lost"


@pytest.mark.parametrize(
    ("name", "detail", "verdict"),
    [
        ("clean-teardown", {"passed": True, "reason": "nothing is left"}, "breach"),
        ("clean-teardown", {"passed": False, "reason": "a process lives", "severity": "harness-error"}, "harness-error"),
        ("clock", {"passed": False, "reason": "the clock jumped"}, "inconclusive"),
        ("generator-lag", {"passed": False, "reason": "it lagged"}, "inconclusive"),
        ("bite", {}, "breach"),
    ],
)
def test_gates_of_the_runner_count(tmp_path, name, detail, verdict):
    """A recorded gate joins the computed ones, and one that says nothing has failed."""
    events = [Event(T0 + END, "gate", name, "", detail), *finished_events(whole_life())]
    result = evaluate(folder_of(tmp_path / "run", outage(), events))
    assert result.verdict == verdict
    assert gate_of(result, name).passed is bool(detail.get("passed"))


def test_a_recorded_gate_cannot_lift_a_failed_one(tmp_path):
    """Of two gates of one name the failed one stays."""
    events = [Event(T0 + END, "gate", "healed", "", {"passed": True}), *finished_events(whole_life()[:3])]
    assert not gate_of(evaluate(folder_of(tmp_path / "run", outage(), events)), "healed").passed


def test_claims_are_checked_once_and_kept(breached):
    """Later conclusions of the folder use the claims that were checked with the controls at hand."""
    seen = []

    def check(found_history, result, controls):
        seen.append((len(found_history.requests), result.verdict, dict(controls)))
        return (CLAIM,)

    assert evaluate(breached, claims=check).claims == (CLAIM,)
    assert evaluate(breached).claims == (CLAIM,)
    assert seen == [(3000, "breach", {})]


def test_a_check_that_crashes_is_a_harness_error(breached):
    """The run's record survives a broken check, and the verdict says what happened."""

    def check(found_history, result, controls):
        raise ZeroDivisionError("no requests")

    result = evaluate(breached, claims=check)
    assert (result.verdict, result.exit_code, result.claims) == ("harness-error", 4, ())
    assert "ZeroDivisionError: no requests" in result.reasons[0]


def test_claims_of_a_cut_off_run_are_not_checked(tmp_path):
    """A record that ends too early supports no claim."""
    folder = folder_of(tmp_path / "run", outage(), finished_events(whole_life())[:6])
    assert evaluate(folder, claims=lambda *_: pytest.fail("checked")).claims == ()


def test_canaries_are_told_by_client_machine_and_phase(breached):
    """Attempts are counted where they started, and a torn line is left out."""
    attempt = Attempt("sync", "web-1", False, T0 + FAULT + 90, T0 + FAULT + 95, 24.0, False, False, "ClientError", "500")
    lines = [attempt, Attempt("sync", "web-1", False, T0 + BASELINE, T0 + BASELINE, 0.1, True, False, "", "")]
    text = "".join(json.dumps(asdict(line)) + "\n" for line in lines)
    (breached / "canary-sync.jsonl").write_text(text + '{"client": "sy')
    rows = evaluate(breached).canaries
    assert [(row.phase, row.attempts, row.failed) for row in rows] == [("baseline", 1, 0), ("fault", 1, 1)]
    assert rows[1].errors == {"ClientError": 1}
    assert rows[1].longest_s == 24.0


def test_canaries_of_several_operations_are_told_apart(breached):
    """A role assumed on no machine is not counted with an instance's credentials."""
    at_s = T0 + FAULT + 90
    assume = Attempt("boto3", "", False, at_s, at_s, 5.0, False, False, "ClientError", "503", "AssumeRole")
    instance = Attempt("boto3", "web-1", False, at_s, at_s, 0.1, True, False, "", "", "instance-credentials")
    (breached / "canary-boto3.jsonl").write_bytes(assume.to_line() + instance.to_line())
    rows = evaluate(breached).canaries
    assert [(row.client, row.operation, row.machine, row.failed) for row in rows] == [
        ("boto3", "AssumeRole", "none", 1),
        ("boto3", "instance-credentials", "warm", 0),
    ]


@pytest.mark.parametrize(
    ("verdict", "expected", "code"),
    [
        ("pass", "", 0),
        ("breach", "", 1),
        ("inconclusive", "", 3),
        ("harness-error", "", 4),
        ("unsafe", "", 5),
        ("breach", "breach", 0),
        ("pass", "breach", 1),
        ("breach", "pass", 1),
        ("pass", "pass", 0),
        ("inconclusive", "breach", 3),
        ("unsafe", "breach", 5),
        ("inconclusive", "inconclusive", 0),
        ("pass", "inconclusive", 1),
    ],
)
def test_exit_codes(verdict, expected, code):
    """The documented codes, and with an expected verdict 0 for it and 1 for pass or breach instead."""
    assert exit_code(verdict, expected) == code


@pytest.mark.parametrize(
    ("verdict", "expected", "posture_expects", "code"),
    [
        ("pass", "", "breach", 1),
        ("pass", "", "inconclusive", 1),
        ("pass", "pass", "breach", 0),
        ("breach", "", "breach", 1),
        ("inconclusive", "", "breach", 3),
    ],
)
def test_a_pass_that_the_posture_does_not_expect_is_not_green(verdict, expected, posture_expects, code):
    """The posture's verdict stands in for the one that the command does not name; what was found stays as it is."""
    assert exit_code(verdict, expected, posture_expects) == code


def test_what_was_expected_is_said(breached, tmp_path):
    """Nothing for a pass that is expected by its posture, else who expected what."""
    assert evaluate(breached).expectation == "as expected of posture broken"
    found = {
        (posture, expected): evaluate(
            folder_of(
                tmp_path / f"{posture}{expected}", outage(), finished_events(whole_life()), posture=posture, expected=expected
            )
        )
        for posture, expected in (("repaired", ""), ("repaired", "breach"), ("broken", "pass"))
    }
    assert {key: (result.expectation, result.unexpected) for key, result in found.items()} == {
        ("repaired", ""): ("posture repaired was expected to give pass", True),
        ("repaired", "breach"): ("as expected", False),
        ("broken", "pass"): ("pass was expected", True),
    }


def test_the_header_comes_back_as_it_was_written(tmp_path):
    """Durations and times of day survive the round trip, so a report sees the experiment that was run."""
    written = header(expected="breach", parameters={"share": 0.03})
    write_header(tmp_path, written)
    assert read_record(tmp_path).header == written


def test_the_header_says_what_an_older_run_file_said(tmp_path):
    """Every key that earlier versions wrote is there; a key that is not known, or that those had not, does no harm."""
    write_header(tmp_path, header(source="outage.yaml"))
    path = tmp_path / "run.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    keys = "experiment source world posture seed versions clock_rate started_at command expected parameters"
    assert set(raw) == {*keys.split(), "offset_s"}
    for other in ({**raw, "later": 1}, {key: raw[key] for key in keys.split()}):
        path.write_text(json.dumps(other), encoding="utf-8")
        assert read_record(tmp_path).header == header(source="outage.yaml")


def test_a_result_replaces_the_last_one_whole(breached):
    """Writing leaves one readable result and no scraps."""
    write_result(breached, evaluate(breached))
    path = write_result(breached, evaluate(breached, wall_s=3.0))
    assert Result.model_validate_json(path.read_bytes()).wall_s == 3.0
    assert {found.name for found in breached.iterdir()} == {"run.json", "events.jsonl", "requests.jsonl", "result.json"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("run.json", "{", "damaged"),
        ("run.json", '{"world": "simulation"}', "damaged"),
        ("events.jsonl", "not json\n", "damaged"),
        ("events.jsonl", '{"at_s": 1}\n', "damaged"),
        ("requests.jsonl", '{"id": "x"}\n', "damaged"),
    ],
)
def test_a_damaged_folder_is_refused_in_words(breached, name, text, words):
    """A broken file gives an error that names it, and no traceback."""
    (breached / name).write_text(text)
    with pytest.raises(UsageError, match=words):
        evaluate(breached)


def test_another_folder_is_no_run(tmp_path):
    """A folder without run.json is refused with what to name instead."""
    with pytest.raises(UsageError, match="not a run folder"):
        evaluate(tmp_path)


def test_the_wall_time_is_estimated_from_the_files(breached):
    """Without a word from the runner it is the time from the start to the last line written."""
    assert evaluate(breached).wall_s > 0


def test_the_plan_and_not_the_generator_says_how_much_was_planned(tmp_path):
    """A generator that fell behind knows of 2,000 arrivals only, of which it sent all; the plan has 3,000."""
    found = outage()[:2000]
    folder = folder_of(tmp_path / "run", found, finished_events(whole_life(), planned=2000))
    gate = gate_of(evaluate(folder), "issued-share")
    assert not gate.passed
    assert gate.reason.startswith("66.7 % of 3,000 planned requests were sent and logged")


def test_a_stall_of_the_generator_is_no_outage(tmp_path):
    """What was sent too late to be good is no failure of the service: no impact, no alert, no outage, no effect of a step."""
    stalled = [
        r._replace(sent_s=r.intended_s + 9, outcome="unknown") if FAULT <= r.intended_s - T0 < FAULT + 200 else r
        for r in requests(BASELINE, END)
    ]
    result = evaluate(folder_of(tmp_path / "run", stalled, finished_events(whole_life())))
    (slo,) = result.slos
    assert (slo.status, slo.doubtful, slo.bad) == ("undecided", 200, 200)
    assert (slo.in_faults[0].bad, slo.in_faults[0].total) == (0, RECOVERY - FAULT - 200)
    assert (result.times.impact_start_s, result.times.longest_outage, result.alerts) == (None, 0, {"new-machines": None})
    assert result.steps[0].effect.startswith("no change")
    assert {share.longest_outage_s for phase in result.phases for share in phase.shares} == {0.0, None}
    onset = result.phases[1].shares[0]
    assert (onset.total, onset.unknown) == (60, 60)


def test_only_the_runs_own_word_ends_it():
    """An event of anything else that finished does not, and a word of an early end undoes it."""
    finished, other = Event(T0, "run", "finished", "", {}), Event(T0, "load", "finished", "", {})
    assert is_finished(History((finished,), ()))
    assert not is_finished(History((other,), ()))
    assert not is_finished(History((finished, Event(T0, "run", "aborted", "", {})), ()))


def test_a_record_that_was_changed_after_it_was_judged_fails_a_gate_and_keeps_its_digest(breached):
    """Also when it is evaluated a third time; that of a run which was cut short may have grown until its last process ended."""
    first = evaluate(breached)
    write_result(breached, first)
    log = breached / "requests.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    for _ in range(2):
        changed = evaluate(breached)
        gate = gate_of(changed, "record")
        assert (changed.verdict, changed.exit_code, changed.digest) == ("inconclusive", 3, first.digest)
        assert (gate.passed, "restore the run folder" in gate.reason) == (False, True)
        assert not any(gate.name == "record" for gate in first.gates)
        write_result(breached, changed)


def test_a_killed_runs_record_may_grow_until_it_is_judged_whole(tmp_path):
    """Its first result was of an unfinished run."""
    folder = folder_of(tmp_path / "run", outage(), finished_events(whole_life())[:6])
    write_result(folder, evaluate(folder))
    (folder / "events.jsonl").unlink()
    recorder = Recorder(folder)
    for event in finished_events(whole_life()):
        recorder.event(event)
    recorder.close()
    assert evaluate(folder).verdict == "breach"


@pytest.mark.parametrize(
    ("found", "events", "end_s"),
    [
        (outage(), finished_events(whole_life()), END),
        (outage(FAULT, 2000)[:1500], finished_events(whole_life())[:6], BASELINE + 1499),
        ([], [*finished_events(whole_life())[:6], act(RECOVERY + 7, "reverting")], RECOVERY + 7),
        (requests(END + 5, END + 9), finished_events(whole_life())[:6], END),
    ],
)
def test_a_record_ends_with_its_timeline_or_its_last_word(tmp_path, found, events, end_s):
    """A fault that was still in place is judged until then."""
    lives = [event for event in events if event.what not in ("reverted", "healed")]
    result = evaluate(folder_of(tmp_path / "run", found, lives))
    assert result.slos[0].in_faults[0].end_s - T0 == end_s


@pytest.mark.parametrize(
    ("detail", "text"),
    [({"problem": "lost", "worker": "2"}, "lost; 2"), ({}, "a problem without a description")],
)
def test_a_problem_without_a_subject_is_told_by_its_details(tmp_path, detail, text):
    """There is always a text."""
    events = [Event(T0 + FAULT, "load", "problem", "", detail), *finished_events(whole_life())]
    assert gate_of(evaluate(folder_of(tmp_path / "run", outage(), events)), "load-problems").reason == text


def test_a_run_that_was_not_steady_was_stopped_and_says_why(tmp_path):
    """The word of its end decides; an aborted one is the harness's fault."""
    begun = finished_events(whole_life())[:2]
    for what, detail, reason, severity in (
        ("not-steady", {}, "was stopped at baseline: its objectives were not met there, so it went no further", "inconclusive"),
        ("stopped", {"reason": "a hard stop"}, "was stopped at baseline: a hard stop", "inconclusive"),
        ("interrupted", {}, "was interrupted at baseline", "inconclusive"),
        ("aborted", {}, "was aborted at baseline", "harness-error"),
    ):
        folder = folder_of(tmp_path / what, outage(), [*begun, Event(T0 + FAULT, "run", what, "", detail)])
        gate = gate_of(evaluate(folder), "finished")
        assert (gate.reason, gate.severity) == (f"the run {reason}", severity)


def test_the_real_time_of_a_run_is_the_runners_word_then_the_earlier_results_then_the_files(breached):
    """From the start to the last line written; nothing where the start cannot be read."""
    started_s = datetime.fromisoformat("2024-07-12T10:00:00+00:00").timestamp()
    for path in breached.glob("*.jsonl"):
        os.utime(path, (started_s + 50, started_s + 50))
    os.utime(breached / "events.jsonl", (started_s + 75.0004, started_s + 75.0004))
    assert evaluate(breached).wall_s == 75.0
    write_header(breached, header(started_at="soon"))
    assert evaluate(breached).wall_s == 0.0
    write_header(breached, header(started_at="2124-07-12T10:00:00+00:00"))
    assert evaluate(breached).wall_s == 0.0
    write_result(breached, evaluate(breached, wall_s=3.0))
    assert (evaluate(breached).wall_s, evaluate(breached, wall_s=4.0).wall_s) == (3.0, 4.0)


def test_the_impact_is_looked_for_from_the_first_fault_on_and_not_from_other_steps(tmp_path):
    """A fault that was applied before its phase begins the time; a mitigation does not."""
    early = outage(FAULT - 100, RECOVERY)
    result = evaluate(folder_of(tmp_path / "run", early, finished_events(whole_life(FAULT - 100))))
    assert result.times.impact_start_s == T0 + FAULT - 100
    late = evaluate(folder_of(tmp_path / "late", early, finished_events(whole_life(FAULT + 100))))
    assert late.times.impact_start_s == T0 + FAULT


def test_a_header_is_what_was_run_and_stays_so():
    """It cannot be changed, and has no number that is none."""
    written = header()
    with pytest.raises(ValidationError, match="frozen"):
        written.seed = 8
    for changes in (
        {"clock_rate": 0.0},
        {"clock_rate": float("inf")},
        {"offset_s": -1.0},
        {"offset_s": float("nan")},
        {"seed": -1},
    ):
        with pytest.raises(ValidationError):
            header(**changes)


def test_a_header_may_be_written_again_and_into_a_folder_that_is_not_there(tmp_path):
    """With the folders above it."""
    for seed in (1, 2):
        write_header(tmp_path / "runs" / "one", header(seed=seed))
        assert read_record(tmp_path / "runs" / "one").header.seed == seed


def test_what_failed_is_what_the_whole_result_has(tmp_path):
    """`failures` leaves out nothing that did not hold, and takes no request that left late for an effect of a step."""
    late = [request(at_s, sent_s=T0 + at_s + 1.0, done_s=T0 + at_s + 1.0) for at_s in range(FAULT, FAULT + 90)]
    found = [*requests(BASELINE, FAULT), *late, *requests(FAULT + 90, FAULT + 400, False), *requests(FAULT + 400, END)]
    record = read_record(folder_of(tmp_path / "run", found, finished_events(whole_life())))
    whole, short = evaluate_record(record), failures(record)
    assert [slo.name for slo in short.slos] == [slo.name for slo in whole.slos if slo.status == "breached"] == ["tokens"]
    assert short.invariants == tuple(one for one in whole.invariants if one.status == "violated")
    assert short.gates == tuple(gate for gate in whole.gates if not gate.passed and gate.severity != "inconclusive")
    assert [(step.effect, step.before, step.after) for step in short.steps] == [
        (step.effect, step.before, step.after) for step in whole.steps
    ]
    assert short.steps[0].before == 0.0
    assert short.steps[0].after == pytest.approx(310 / 511)

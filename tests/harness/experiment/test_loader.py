"""Experiment files: a sound one is read, and every mistake is shown where it stands with a way out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from brownout.harness.effects import SwitchThrow
from brownout.harness.errors import FileError, UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.loader import FileErrors, find, load, schema, schema_text, validate
from brownout.harness.experiment.model import Experiment
from brownout.harness.fault import Fault, unknown_name
from brownout.harness.world import Carrier
from support.places import ROOT

SOUND = """\
schema: brownout/experiment/v1
name: tiny
title: A key rolls too early
timeline:
  date: 2024-07-12
  warm_up: "00:00"
  baseline: "00:10"
  fault: "00:55"
  recovery: "06:28"
  end: "07:00"
  edge: 1m
  rates: {processes: 200}
postures:
  broken: {description: as it was, expect: breach}
  repaired: {description: with the gate, expect: pass, defends: [roll]}
posture: broken
schedule:
  - name: roll
    at: "00:55"
    until: "06:28"
    role: fault
    fault: roll-key
    with: {region: sydney}
load:
  cohorts:
    - {name: new, model: token, region: sydney, rate_per_s: 0.5, fresh: true}
    - {name: calls, model: management, region: sydney, rate_per_s: 1, mix: {create: 1, list: 2}}
slos:
  - name: tokens
    indicator: {ratioMetric: {total: {cohorts: [new]}, good: {within: 300ms}}}
    objectives: [{target: 0.99}]
alerts:
  machines: {of: {cohorts: [new]}, target: 0.99, long: 5m, short: 1m}
controls:
  late: {posture: broken, drop: [roll], fault: "01:00", recovery: "05:00"}
"""


HEAD = "schema: brownout/experiment/v1\nname: tiny\ntitle: A key rolls too early\n"
ROLL = "role: fault, fault: roll-key, with: {region: sydney}"


class RollKey(Fault):
    """A fault with parameters, to validate against."""

    kind: ClassVar[str] = "roll-key"
    family: ClassVar[Literal["credential"]] = "credential"
    region: Literal["sydney", "melbourne"]
    overlap_s: float = 0.0
    node: str = "sydney.store"

    def carriers(self, spec):
        if self.node not in spec.nodes():
            raise unknown_name("node", self.node, spec.nodes())
        return (Carrier("control", self.node),)

    def state(self, spec, carrier):
        return SwitchThrow("roll-key", {})


FAULTS = {"roll-key": RollKey}


def written(tmp_path, text):
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(tmp_path, old, new):
    """What is wrong with the sound file once `old` is `new`."""
    assert SOUND.count(old) >= 1, old
    return validate(written(tmp_path, SOUND.replace(old, new, 1)), faults=FAULTS)


def test_a_sound_file_is_read(tmp_path):
    """Times, durations and the fault's parameters arrive as values."""
    experiment = load(written(tmp_path, SOUND), faults=FAULTS)
    assert isinstance(experiment, Experiment)
    assert (experiment.timeline.fault, experiment.timeline.edge_s) == (55 * 60, 60.0)
    assert experiment.schedule[0].with_ == {"region": "sydney"}
    assert experiment.timeline.date == "2024-07-12"
    assert validate(written(tmp_path, SOUND), faults=FAULTS) == ()


# What is changed in the sound file, with § before the culprit, and words of the one message that must come of it.
ONE_MISTAKE = [
    # keys
    ("title:", "§titel:", "there is no key 'titel'.*did you mean 'title'"),
    ("  edge: 1m", "  §egde: 1m", "timeline.egde.*did you mean 'edge'"),
    ("with: {region", "§wiht: {region", "did you mean 'with'"),
    (HEAD, "§schema: brownout/experiment/v1\nname: tiny\n", "the key 'title' is missing"),
    ('name: roll\n    at: "00:55"\n', "§name: roll\n", r"schedule\[0\]: the key 'at' is missing"),
    ("  edge: 1m", "  edge: 1m\n  §edge: 2m", "'edge' is here twice.*line 11"),
    ("posture: broken\nsch", "§on: broken\nsch", "YAML 1.1 reads on without quotes"),
    ("posture: broken\nsch", "§12: broken\nsch", 'this key is not text.*write it in quotes: "12"'),
    ("posture: broken\nsch", "? §[a]\n: b\nsch", "this key is not text.*one word"),
    # values
    ("brownout/experiment/v1", "§brownout/experiment/v2", "is not one of brownout/experiment/v1.*did you mean"),
    ("title: A key rolls too early", "title: §12", 'text is needed here, not 12.*"12"'),
    ("title: A key rolls too early", "title: §on", "YAML 1.1 reads on without quotes"),
    ("title: A key rolls too early", "title:§", "text is needed here, not nothing"),
    ("role: fault", "role: §falt", "'falt' is not one of.*did you mean 'fault'"),
    ("model: token", "model: §tokens", "did you mean 'token'"),
    ("rate_per_s: 0.5", "rate_per_s: §-1", "should be greater than 0, not -1"),
    ("rate_per_s: 0.5", "rate_per_s: §often", "valid number.*not 'often'"),
    ('fault: "00:55"', "fault: §12:30", '12:30 without quotes is the number 750.*write "12:30"'),
    ('fault: "00:55"', 'fault: §"0:55"', "'0:55' is not a time of day"),
    ('fault: "00:55"', "fault: §55", "a time of day is quoted text"),
    ("edge: 1m", "edge: §60", "a duration is text with a unit"),
    ("edge: 1m", "edge: §1 minute", "'1 minute' is not a duration"),
    ("within: 300ms", "within: §300 ms", "not a duration"),
    ("objectives: [{target: 0.99}]", "§objectives: []", "at least 1 is needed"),
    ("objectives: [{target: 0.99}]", "§objectives: [{target: 0.9}, {target: 0.8}]", "at most 1 is allowed"),
    ("target: 0.99}]", "target: §99}]", "should be less than 1, not 99"),
    ("postures:\n  broken: {", "postures:\n  broken: §as it was\n  other: {", "keys and values are needed.*'as it was'"),
    ("drop: [roll]", "drop: §roll", "a list is needed here, not 'roll'"),
    # names
    ("posture: broken\nsch", "posture: §brokn\nsch", "no posture 'brokn'.*did you mean 'broken'"),
    ("defends: [roll]", "defends: [§rol]", "no step 'rol'.*did you mean 'roll'"),
    ("fault: roll-key", "fault: §rol-key", "no fault 'rol-key'.*did you mean 'roll-key'"),
    ("with: {region: sydney}", "with: {§regoin: sydney}", "did you mean 'region'"),
    ("with: {region: sydney}", "with: {region: §sidney}", "did you mean 'sydney'"),
    ("with: {region: sydney}", "§with: {}", r"schedule\[0\].with: the key 'region' is missing"),
    ("region: sydney, rate_per_s: 0.5", "region: §sidney, rate_per_s: 0.5", "no region 'sidney'.*'sydney'"),
    ("{cohorts: [new]}, good", "{cohorts: [§now]}, good", "no cohort 'now'.*did you mean 'new'"),
    ("cohorts: [new]}, good", "cohorts: [new], operations: [§create]}, good", "no operation.*known: token"),
    ("of: {cohorts: [new]}", "of: {cohorts: [§neu]}", "did you mean 'new'"),
    ("with: {region: sydney}", "§with: {region: sydney, node: sidney.store}", "no node 'sidney.store'.*'sydney.store'"),
    ("rate_per_s: 0.5, fresh", "rate_per_s: 0.5, mix: {§create: 1}, fresh", "no token operation 'create'"),
    ("mix: {create: 1", "mix: {§craete: 1", "no management operation 'craete'.*did you mean 'create'"),
    ("mix: {create: 1, list: 2}", "§mix: {create: 0}", "no weight is above 0"),
    ("name: calls", "name: §new", "already a cohort called 'new'"),
    ("rates: {processes", "rates: {§process", "no world 'process'.*did you mean 'processes'"),
    ("late: {posture: broken", "late: {posture: §fragile", "no posture 'fragile'.*known: broken, repaired"),
    ("drop: [roll]", "drop: [§rool]", "no step 'rool'.*did you mean 'roll'"),
    ("drop: [roll]", f"add: [{{name: §roll, at: '02:00', {ROLL}}}]", "already a step called 'roll'"),
    ("    role: fault", "    needs: §rol\n    role: fault", "no earlier step 'rol'.*no step is earlier"),
    ("drop: [roll]", f"add: [{{name: x, at: '02:00', needs: §rool, {ROLL}}}]", "no earlier step 'rool'.*'roll'"),
    ("posture: broken\nsch", "posture: broken\nsettings: {§key_overlap: 1}\nsch", "did you mean 'key_overlap_s'"),
    ("expect: breach}", "expect: breach, settings: {key_overlap_s: §often}}", "a number that is not negative"),
    ("drop: [roll]", "settings: {§pins: {sydney: '7.0'}}", "no build '7.0'"),
    ("load:\n", "machines:\n  §web: {regoin: sydney}\nload:\n", "no key 'regoin'"),
    ("load:\n", "machines:\n  web: §3\nload:\n", "keys and values are needed here"),
    ("load:\n", "machines:\n  §web: {region: sydney, count: many}\nload:\n", "many"),
    ("fresh: true", "§machines: [webb]", "no machine 'webb'.*did you mean 'web'"),
    # times and rules
    ("date: 2024-07-12", "date: §12.7.2024", "not a date; write YYYY-MM-DD"),
    ("date: 2024-07-12", "date: §2024-02-30", "not a date"),
    ('"00:10"\n  fault: "00:55"', '"00:55"\n  fault: §"00:55"', r"fault \(00:55:00\) must be later than baseline"),
    ('end: "07:00"', 'end: §"06:28"', r"end \(06:28:00\) must be later than recovery"),
    ("edge: 1m", "edge: §32m", "leave nothing of a phase that is 1920 s long"),
    ('at: "00:55"\n    until: "06:28"', 'at: §"07:00"', "07:00:00 is outside the timeline"),
    ('until: "06:28"', 'until: §"00:55"', "until 00:55:00 must be later than at 00:55:00"),
    ("long: 5m, short: 1m", "long: 30s, short: §1m", "60 s must be shorter than the long window of 30 s"),
    ("long: 5m", "burn: §100, long: 5m", "can never fire.*burn must be below 100"),
    ('recovery: "05:00"', 'recovery: §"00:30"', "must lie in that order"),
    ("objectives: [{target: 0.99}]", "objectives: [{target: 0.99}]\n    §phases: []", "at least one phase"),
]


@pytest.mark.parametrize(("old", "new", "words"), ONE_MISTAKE)
def test_one_mistake_has_one_message_at_its_place(tmp_path, old, new, words):
    """Line and column point at the culprit, and the message says what is wrong and what to do."""
    (found,) = mistakes(tmp_path, old, new.replace("§", ""))
    assert isinstance(found, FileError)
    before = SOUND.replace(old, new, 1).split("§")[0].split("\n")
    assert (found.line, found.column) == (len(before), len(before[-1]) + 1)
    assert re.search(words, str(found), re.DOTALL), str(found)


def test_a_message_shows_the_line_and_points_at_the_culprit(tmp_path):
    """The first line is for machines; the source line with a caret follows, then the hint."""
    (found,) = mistakes(tmp_path, "role: fault", "role: falt")
    first, source, caret, hint = str(found).splitlines()
    assert first.startswith(f"{tmp_path}/plan.yaml:21:11: schedule[0].role: 'falt' is not one of")
    assert source == "  21 |     role: falt"
    assert caret.index("^") == source.index("falt")
    assert hint == "  -> did you mean 'fault'?"


def test_all_mistakes_are_listed_in_the_order_of_the_file(tmp_path):
    """Several mistakes make one error that carries and prints each."""
    text = SOUND.replace("title:", "titel:").replace("role: fault", "role: falt").replace("edge: 1m", "edge: 60")
    with pytest.raises(FileErrors) as caught:
        load(written(tmp_path, text), faults=FAULTS)
    assert [error.line for error in caught.value.errors] == [3, 11, 21]
    assert caught.value.exit_code == 2
    assert all(str(error) in str(caught.value) for error in caught.value.errors)


def test_mistakes_in_names_are_all_listed_too(tmp_path):
    """Checks beyond the values' kinds do not stop at the first either."""
    text = SOUND.replace("fault: roll-key", "fault: x").replace("defends: [roll]", "defends: [y]").replace("[new]", "[z]")
    found = validate(written(tmp_path, text), faults=FAULTS)
    assert [error.line for error in found] == [15, 22, 30, 33]


# Not YAML at all, or not text.
BROKEN = [
    (b"", 1, 1, "the file is empty"),
    (b"# nothing yet\n", 1, 1, "the file is empty"),
    (b"just words\n", 1, 1, "keys and values are needed"),
    (b"- a\n- b\n", 1, 1, "keys and values are needed here, not a list"),
    (b"a:\n\tb: 1\n", 2, 1, "never with tabs"),
    (b"a: [1, 2\nb: 3\n", 2, 2, "not valid YAML"),
    (b"a: {b: 1\n", 2, 1, "not valid YAML"),
    (b"title: one: two\n", 1, 11, "must be in quotes"),
    (b'title: "open\n', 2, 1, "not valid YAML"),
    (b"a: 1\n b: 2\n", 2, 3, "not valid YAML"),
    (b"a: *nowhere\n", 1, 4, "undefined alias"),
    (b"a: &a [*a]\n", 1, 4, "contain itself"),
    (b"a: !!python/object:os.system x\n", 1, 4, "tags are not allowed"),
    (b"a: 1\n---\nb: 2\n", 2, 1, "one experiment per file"),
    (b"title: caf\xe9\n", 1, 11, "not UTF-8"),
    ("a: 1\n".encode("utf-16"), 1, 1, "not UTF-8"),
    (b"a: 1\nb: \x00\n", 2, 4, r"U\+0000"),
    (b"a: " + b"[" * 60 + b"]" * 60, 1, 44, "nested deeper than 40"),
    (b"a: " + b"[" * 2000 + b"]" * 2000, 1, 1, "nested too deeply"),
    (
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10)) for n in range(6)),
        0,
        0,
        "grows beyond",
    ),
]


@pytest.mark.parametrize(("raw", "line", "column", "words"), BROKEN, ids=[row[3] + str(n) for n, row in enumerate(BROKEN)])
def test_a_file_that_is_not_yaml_says_where_and_why(tmp_path, raw, line, column, words):
    """No traceback of a library: a place, what is wrong, and where there is one a way out."""
    path = tmp_path / "plan.yaml"
    path.write_bytes(raw)
    found = validate(path, faults=FAULTS)[0]
    assert isinstance(found, FileError)
    assert not line or (found.line, found.column) == (line, column)
    assert re.search(words, str(found)), str(found)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    """A slip in the name of a file gets the file that is there."""
    written(tmp_path, SOUND)
    with pytest.raises(UsageError, match=r"there is no file(.|\n)*did you mean .*plan\.yaml"):
        load(tmp_path / "paln.yaml", faults=FAULTS)


def test_a_missing_folder_is_told(tmp_path):
    """When even the folder is not there, that is what is said."""
    with pytest.raises(UsageError, match="there is no folder"):
        load(tmp_path / "nowhere" / "plan.yaml", faults=FAULTS)


def test_a_folder_is_not_a_file(tmp_path):
    """Naming a folder gets the files in it."""
    written(tmp_path, SOUND)
    with pytest.raises(UsageError, match=r"is a folder(.|\n)*plan\.yaml"):
        load(tmp_path, faults=FAULTS)


def test_a_huge_file_is_refused(tmp_path):
    """An experiment is a page or two."""
    with pytest.raises(UsageError, match="bytes"):
        load(written(tmp_path, "#" * 1_000_001), faults=FAULTS)


def test_aliases_and_merges_are_followed(tmp_path):
    """A part may be written once and used twice, and a mistake in it points at where it is written."""
    text = SOUND.replace("of: {cohorts: [new]}", "of: &watched {cohorts: [new]}").replace(
        "controls:", "  again: {<<: {of: *watched}, target: 0.9, burn: 2, long: 5m, short: 1m}\ncontrols:"
    )
    assert load(written(tmp_path, text), faults=FAULTS).alerts["again"].of.cohorts == ("new",)
    found = validate(written(tmp_path, text.replace("&watched {cohorts: [new]}", "&watched {cohorts: [old]}")), faults=FAULTS)
    assert {error.line for error in found} == {33}


def test_a_long_line_is_shown_around_the_culprit(tmp_path):
    """The caret stays under the culprit when the line is cut."""
    (found,) = mistakes(tmp_path, "title: A key", f"title: A{' very' * 60} late key\ntitel: x #")
    assert found.line == 4
    text = SOUND.replace("{description: as it was, expect: breach}", "{description: as" + " it" * 80 + ", expect: brech}")
    (found,) = validate(written(tmp_path, text), faults=FAULTS)
    _, source, caret, _ = str(found).splitlines()
    assert len(source) < 130
    assert source[caret.index("^") :].startswith("brech}")


def test_a_place_that_the_model_invents_falls_back_to_the_file(tmp_path):
    """A complaint about one way of reading a value points at the value."""

    class Picky(RollKey):
        region: int | dict[str, int]

    text = SOUND.replace("with: {region: sydney}", "with: {region: sydney}")
    found = validate(written(tmp_path, text), faults={"roll-key": Picky})
    assert {(error.line, error.column) for error in found} == {(23, 20)}
    assert all("schedule[0].with.region: " in str(error) for error in found)


def test_without_installed_faults_a_kind_is_unknown(tmp_path):
    """The hint does not suggest what is not there."""
    (found,) = validate(written(tmp_path, SOUND), faults={})
    assert found.hint == "no faults are installed"


def test_the_published_schema_is_the_models(tmp_path):
    """docs/experiment.schema.json is what `brownout schema` prints."""
    assert (ROOT / "docs" / "experiment.schema.json").read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_for_editors():
    """It names its dialect and itself, speaks the file's keys, and takes times as text."""
    made = json.loads(schema_text())
    assert made["$schema"].endswith("2020-12/schema")
    assert made["$id"] == "urn:brownout:experiment:v1"
    assert {"schema", "timeline"} <= set(made["properties"])
    assert "with" in made["$defs"]["Step"]["properties"]
    assert made["$defs"]["Timeline"]["properties"]["fault"]["type"] == "string"
    assert made == schema()


def test_a_dump_is_a_sound_file_again(tmp_path):
    """An experiment dumped by alias validates to an equal experiment."""
    experiment = load(written(tmp_path, SOUND), faults=FAULTS)
    assert Experiment.model_validate_json(experiment.model_dump_json(by_alias=True)) == experiment


def test_a_name_is_found_among_the_installed(tmp_path, monkeypatch):
    """A path is a path, a plain word an installed experiment, and a slip gets the nearest."""
    monkeypatch.setattr(plugins, "experiments", lambda: {"ftvr-l9z": tmp_path / "ftvr-l9z.yaml"})
    assert find("ftvr-l9z") == tmp_path / "ftvr-l9z.yaml"
    assert find("other/plan.yaml") == Path("other/plan.yaml")
    assert find("plan.yaml") == Path("plan.yaml")
    with pytest.raises(UsageError, match="did you mean 'ftvr-l9z'"):
        find("ftvr-lz9")

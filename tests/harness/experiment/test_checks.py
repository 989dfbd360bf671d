"""What an experiment file can get wrong when every value is of the right kind: names, times, and rules at odds."""

from __future__ import annotations

import pytest

from brownout.harness.experiment.loader import validate
from support.sound_file import FAULTS, SOUND, assert_one_mistake, written

ROLL = "role: fault, fault: roll-key, with: {region: sydney}"


# What is changed in the sound file, with § before the culprit, and words of the one message that must come of it.
MISTAKES = [
    # names
    ("posture: broken\nsch", "posture: §brokn\nsch", "no posture 'brokn'.*did you mean 'broken'"),
    ("defends: [roll]", "defends: [§rol]", "no step 'rol'.*did you mean 'roll'"),
    ("defends: [roll]", "skips: [§rol]", "no step 'rol'.*did you mean 'roll'"),
    ("defends: [roll]", "skips: [§roll]", "step 'roll' is a fault.*skip mitigations and operations only"),
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
    ("load:\n", "stack: {regions: [sydney, §tokio]}\nload:\n", "no region 'tokio'.*did you mean 'tokyo'"),
    ("load:\n", "stack: {regions: [sydney, melbourne], home: §tokyo}\nload:\n", "the stack has no region 'tokyo'"),
    ("load:\n", "stack: {§regions: [sydney, melbourne, sydney]}\nload:\n", "'sydney' is there 2 times"),
    ("load:\n", "stack: {vendors: [§gcp]}\nload:\n", "not one of aws, azure"),
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


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES)
def test_one_mistake_has_one_message_at_its_place(tmp_path, old, new, words):
    """A name that is not there, times out of order and rules at odds each have one message at the culprit."""
    assert_one_mistake(tmp_path, old, new, words)


def test_mistakes_in_names_are_all_listed_too(tmp_path):
    """Checks beyond the values' kinds do not stop at the first either."""
    text = SOUND.replace("fault: roll-key", "fault: x").replace("defends: [roll]", "defends: [y]").replace("[new]", "[z]")
    found = validate(written(tmp_path, text), faults=FAULTS)
    assert [error.line for error in found] == [15, 22, 30, 33]


def test_without_installed_faults_a_kind_is_unknown(tmp_path):
    """The hint does not suggest what is not there."""
    (found,) = validate(written(tmp_path, SOUND), faults={})
    assert found.hint == "no faults are installed"

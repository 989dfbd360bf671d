"""Experiment files: a sound one is read, and every mistake is shown where it stands with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment import plugins
from brownout.harness.experiment.loader import FileErrors, find, load, read, validate
from brownout.harness.experiment.model import Experiment
from support.sound_file import FAULTS, HEAD, SOUND, RollKey, assert_one_mistake, mistakes, written


def test_a_sound_file_is_read(tmp_path):
    """Times, durations and the fault's parameters arrive as values."""
    experiment = load(written(tmp_path, SOUND), faults=FAULTS)
    assert isinstance(experiment, Experiment)
    assert (experiment.timeline.fault, experiment.timeline.edge_s) == (55 * 60, 60.0)
    assert experiment.schedule[0].with_ == {"region": "sydney"}
    assert experiment.timeline.date == "2024-07-12"
    assert validate(written(tmp_path, SOUND), faults=FAULTS) == ()


# What is changed in the sound file, with § before the culprit, and words of the one message that must come of it.
MISTAKES = [
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
    # numbers, durations, names and text
    ("rate_per_s: 0.5", "rate_per_s: §010", "010 without quotes is the number 8"),
    ("model: token", "model: §tok:en", r"cohorts\[0\].model: the client model tok:en cannot be imported: .*named 'tok'"),
    ("model: token", "model: §json:dumps", r"cohorts\[0\].model: json:dumps is function, and not a ClientModel"),
    ("rate_per_s: 0.5", "rate_per_s: §yes", "YAML 1.1 reads yes without quotes as true.*write true"),
    ("rate_per_s: 0.5", "rate_per_s: §true", "a number is needed here, not true"),
    ("rate_per_s: 0.5", 'rate_per_s: §"0.5"', "a number is needed here, not '0.5'"),
    ("rate_per_s: 0.5", "rate_per_s: §.inf", ".inf is no finite number"),
    ("rate_per_s: 0.5", "rate_per_s: §1.0e+12", "less than or equal to 1000000"),
    (
        "  cohorts:\n    - {name: new, model: token, region: sydney, rate_per_s: 0.5",
        "  §cohorts:\n    - {name: new, model: token, region: sydney, rate_per_s: 1000",
        "24,624,600 requests are planned, more than 20,000,000",
    ),
    ("mix: {create: 1", "mix: {create: §.nan", "no finite number"),
    ("rates: {processes: 200}", "rates: {processes: §1.0e+9}", "less than or equal to 100000"),
    ("edge: 1m", "edge: §99999999999d", "a duration is from 0 s to 36,500 days"),
    ("load:\n", "load:\n  deadline: §0s\n", "load.deadline: 0 s is no deadline.*from 1 ms to 600 s"),
    ("within: 300ms", "within: §3s", "good.within: 3 s is no limit for requests that end after 2 s"),
    ("within: 300ms", "within: §0s", "good.within: 0 s is no limit"),
    ("short: 1m", "short: §0s", "alerts.machines.short: 0 s is no window"),
    ("[{target: 0.99}]", "[{target: §0.9999999999999999}]", "allows not one bad request in a million"),
    ("title: A key rolls too early", 'title: §"A \\uD800 key"', r"the character U\+D800 is not allowed in text"),
    ("title: A key rolls too early", 'title: §"A \\e[2J key"', r"the character U\+001B is not allowed in text"),
    ("title: A key rolls too early", 'title: §""', "one line of text is needed here"),
    ("  repaired: {des", "  §../../up: {des", "'../../up' is no name here: letters, digits"),
    ("posture: broken\nsch", "posture: §a/b\nsch", "'a/b' is no name here"),
    ("controls:\n  late:", "controls:\n  §..:", "is no name here"),
    ("with: {region: sydney}", "with: {region: sydney, overlap_s: §.inf}", "no finite number"),
    ("with: {region: sydney}", 'with: {region: sydney, overlap_s: §"1"}', "a number is needed here, not '1'"),
    # values
    ("brownout/experiment/v1", "§brownout/experiment/v2", "is not one of brownout/experiment/v1.*did you mean"),
    ("title: A key rolls too early", "title: §12", 'text is needed here, not 12.*"12"'),
    ("title: A key rolls too early", "title: §on", "YAML 1.1 reads on without quotes"),
    ("title: A key rolls too early", "title:§", "text is needed here, not nothing"),
    ("role: fault", "role: §falt", "'falt' is not one of.*did you mean 'fault'"),
    ("model: token", "model: §tokens", "did you mean 'token'"),
    ("rate_per_s: 0.5", "rate_per_s: §-1", "should be greater than 0, not -1"),
    ("rate_per_s: 0.5", "rate_per_s: §often", "a number is needed here, not 'often'"),
    ('fault: "00:55"', "fault: §12:30", '12:30 without quotes is the number 750.*write "12:30"'),
    ('fault: "00:55"', 'fault: §"0:55"', "'0:55' is not a time of day"),
    ('fault: "00:55"', "fault: §55", "a time of day is quoted text"),
    ("edge: 1m", "edge: §60", "a duration is text with a unit"),
    ("edge: 1m", "edge: §1 minute", "'1 minute' is not a duration"),
    ("within: 300ms", "within: §300 ms", "not a duration"),
    ("objectives: [{target: 0.99}]", "§objectives: []", "at least 1 is needed"),
    ("objectives: [{target: 0.99}]", "§objectives: [{target: 0.9}, {target: 0.8}]", "at most 1 is allowed"),
    ("target: 0.99}]", "target: §99}]", "should be less than 1, not 99"),
    ("schema:", "gates: {confidence: §0.8}\nschema:", "greater than or equal to 0.9, not 0.8"),
    ("postures:\n  broken: {", "postures:\n  broken: §as it was\n  other: {", "keys and values are needed.*'as it was'"),
    ("drop: [roll]", "drop: §roll", "a list is needed here, not 'roll'"),
]


@pytest.mark.parametrize(("old", "new", "words"), MISTAKES)
def test_a_wrong_key_or_value_has_one_message_at_its_place(tmp_path, old, new, words):
    """Line and column point at the culprit, and the message says what is wrong and what to do."""
    assert_one_mistake(tmp_path, old, new, words)


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


def test_a_place_that_the_model_invents_falls_back_to_the_file(tmp_path):
    """A complaint about one way of reading a value points at the value."""

    class Picky(RollKey):
        region: int | dict[str, int]

    text = SOUND.replace("with: {region: sydney}", "with: {region: sydney}")
    found = validate(written(tmp_path, text), faults={"roll-key": Picky})
    assert {(error.line, error.column) for error in found} == {(23, 20)}
    assert all("schedule[0].with.region: " in str(error) for error in found)


def test_a_name_is_found_among_the_installed(tmp_path, monkeypatch):
    """A path is a path, a plain word an installed experiment, and a slip gets the nearest."""
    monkeypatch.setattr(plugins, "experiments", lambda: {"ftvr-l9z": tmp_path / "ftvr-l9z.yaml"})
    assert find("ftvr-l9z") == tmp_path / "ftvr-l9z.yaml"
    assert find("other/plan.yaml") == Path("other/plan.yaml")
    assert find("plan.yaml") == Path("plan.yaml")
    with pytest.raises(UsageError, match="did you mean 'ftvr-l9z'"):
        find("ftvr-lz9")


def test_a_file_is_read_with_the_faults_of_its_steps(tmp_path):
    """The faults that the file is checked with come along, those of its control runs too, so that none is built again."""
    more = (
        'controls:\n  more: {posture: broken, add: [{name: extra, at: "02:00", '
        + "role: fault, fault: roll-key, with: {region: melbourne}}]}"
    )
    checked = read(written(tmp_path, SOUND.replace("controls:", more)), faults=FAULTS)
    assert [(resolved.step.name, resolved.fault) for resolved in checked.steps] == [
        ("roll", RollKey(region="sydney")),
        ("extra", RollKey(region="melbourne")),
    ]


@pytest.mark.parametrize(("text", "words"), [("just words\n", "not 'just words'"), ("- a\n- b\n", "not a list")])
def test_a_file_that_is_no_table_is_refused(tmp_path, text, words):
    """An experiment is keys and values."""
    (found,) = validate(written(tmp_path, text), faults=FAULTS)
    assert (found.line, found.column) == (1, 1)
    assert "keys and values are needed here" in str(found)
    assert words in str(found)


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


OWN_MODEL = """
from brownout.harness.load.models.model import ClientModel
from brownout.harness.load.models.token import TOKEN

OWN = ClientModel(name="own", operations=TOKEN.operations, script=TOKEN.script, target=0.9, within_ms=500)
"""


def test_a_cohort_of_a_control_run_finds_its_model_beside_the_experiment(tmp_path, monkeypatch):
    """As those of the load do, wherever the command is called."""
    own = "{name: more, model: ./own.py, region: sydney, rate_per_s: 1}"
    text = SOUND.replace("drop: [roll], ", f"drop: [roll], add_cohorts: [{own}], ")
    assert text != SOUND
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "own.py").write_text(OWN_MODEL)
    monkeypatch.chdir(tmp_path)
    (added,) = load(written(folder, text), faults=FAULTS).controls["late"].add_cohorts
    assert added.model == str(folder / "own.py")

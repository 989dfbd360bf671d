"""The ways of an application through the stack, from its own calls, for requests of its clients."""

from __future__ import annotations

from brownout.harness.experiment.model import Experiment
from brownout.harness.judge.routes import SEVERAL, routes_of
from brownout.harness.judge.subject.ways import MOST_WAYS, SubjectWays
from brownout.harness.record.history import Event, RequestRecord
from brownout.harness.record.reach import Reach
from support.subject_documents import document, visitors

HOST = "sydney.host;;;;miss>sydney.token.z1;2.0;;>sydney.store;;;"
STS = "sydney.token.z2;2.0;;"
REQUEST = RequestRecord("v-1", "visitors", "request", "sydney", "", "", 12.5, 12.5, 12.6, 100.0, 200, "happened", "", "")


def ways() -> SubjectWays:
    """It called the host at 10 s, and STS at 12 s."""
    return SubjectWays(frozenset({"visitors"}), "web-1", (11.0, 13.0), (HOST, STS), (HOST, f"{HOST}|{STS}"))


def test_a_request_has_the_way_of_what_was_called_meanwhile() -> None:
    """And the machine that the application stands for; requests of other cohorts stay as they are."""
    shown = ways().shown(REQUEST)
    assert (shown.machine, shown.trail) == ("web-1", STS)
    other = REQUEST._replace(cohort="others")
    assert ways().shown(other) is other
    assert ways().shown(REQUEST._replace(intended_s=20.0)).trail == ""


def test_what_it_would_need_is_all_that_it_has_called_so_far() -> None:
    """Not what it called only later."""
    assert ways().behind(REQUEST) == HOST
    assert ways().behind(REQUEST._replace(intended_s=14.0)) == f"{HOST}|{STS}"
    assert ways().behind(REQUEST._replace(intended_s=5.0)) == ""


def test_several_ways_are_told_apart() -> None:
    """A node that a client called by itself is not taken for one that the host called."""
    both = routes_of(f"{HOST}|{STS}")
    assert both.meets(Reach(links=("client->sydney.token.z2",)))
    assert not both.meets(Reach(links=("sydney.host->sydney.token.z2",)))
    assert both.meets(Reach(nodes=("sydney.store",)))


def test_what_was_asked_for_by_name_met_the_edge() -> None:
    """The node to which it led was called over the client's own link, as the edge calls for clients."""
    by_name = routes_of("client.edge;;vault.azure.net@sydney;;>sydney.vault|sydney.vault;;;")
    assert by_name.meets(Reach(nodes=("client.edge",)))
    assert by_name.meets(Reach(links=("client->sydney.vault",)))


def test_an_experiment_without_an_application_changes_nothing() -> None:
    """No cohort is taken for the application's."""
    empty = SubjectWays(frozenset(), "", (), (), ())
    assert empty.shown(REQUEST) is REQUEST


def test_a_record_is_not_trusted() -> None:
    """A trail that names no node is left out."""
    experiment = Experiment.model_validate(document())
    calls = Event(10.2, "subject", "calls", "sydney.host", {"since_s": 9.0, "trails": {HOST: 3, "nonsense;;;;;;;;": 1}})
    assert SubjectWays.of(experiment, (calls,)).during == (HOST,)


def test_ways_are_of_the_machine_that_the_application_stands_for() -> None:
    """With the environment of none it stands for none; a run without an application has no ways."""
    whole = document()
    alone = {**whole["subject"]}
    del alone["env_of"]
    call = Event(10.5, "subject", "calls", "", {"trails": {HOST: 1}})
    for subject, machine in ((whole["subject"], "web-1"), (alone, "")):
        found = SubjectWays.of(Experiment.model_validate({**whole, "subject": subject}), [call])
        assert (found.machine, found.cohorts) == (machine, {"visitors"})
        assert (found.ends_s, found.during, found.until) == ((11.0,), (HOST,), (HOST,))
    none = {key: value for key, value in whole.items() if key != "subject"}
    none["load"] = {"cohorts": [{"name": "visitors", "model": "token", "region": "sydney", "rate_per_s": 5}]}
    assert SubjectWays.of(Experiment.model_validate(none), [call]) == SubjectWays(frozenset(), "", (), (), ())


def test_what_was_called_long_before_its_count_is_no_way_of_a_request() -> None:
    """Calls are counted by the second: those of a stretch that ends more than two seconds after a request are others."""
    seen = SubjectWays(frozenset({"visitors"}), "web-1", (11.0, 20.0), (HOST, STS), (HOST, f"{HOST}|{STS}"))
    ways_of = {at_s: seen.shown(REQUEST._replace(intended_s=at_s)).trail for at_s in (17.9, 18.0, 19.9, 20.0)}
    assert ways_of == {17.9: "", 18.0: STS, 19.9: STS, 20.0: ""}


def test_no_more_ways_are_known_than_is_said() -> None:
    """Those that the subject took first, however many seconds they came in; a later second adds none once they are full."""
    trails = [f"sydney.token.z{n};1.0;;" for n in range(1, MOST_WAYS + 21)]
    half = MOST_WAYS // 2
    parts = (trails[:half], trails[half : half + MOST_WAYS], trails[-10:])
    calls = [Event(10.5 + n, "subject", "calls", "", {"trails": dict.fromkeys(part, 1)}) for n, part in enumerate(parts)]
    found = SubjectWays.of(Experiment.model_validate(document()), calls).until
    assert found[-1].count(SEVERAL) + 1 == 64
    assert found == (SEVERAL.join(trails[:half]), SEVERAL.join(trails[:MOST_WAYS]), SEVERAL.join(trails[:MOST_WAYS]))


def test_ways_are_of_the_applications_calls_and_for_its_clients_alone() -> None:
    """Trails of another event are none of its ways; a cohort that asks the stack itself has its own."""
    both = Experiment.model_validate(document(load={"cohorts": [visitors(), visitors(name="others", model="token")]}))
    found = SubjectWays.of(both, (Event(10.2, "subject", "over", "", {"trails": {HOST: 1}}),))
    assert (found.cohorts, found.ends_s) == ({"visitors"}, ())

"""Which requests met what a step broke, from hand-made trails."""

from __future__ import annotations

import pytest

from brownout.harness.judge.exposure import AtRisk, exposures
from brownout.harness.judge.routes import route_of
from brownout.harness.record.history import Event
from brownout.harness.record.reach import Reach
from support.slo_builders import BASELINE, END, FAULT, RECOVERY, T0, act, document, experiment, history, requests, whole_life

MISS = "sydney.host;;;;miss>sydney.token.z1;1.0;k1;manual;miss>sydney.store;;k1;manual;"
HIT = "sydney.host;;;;hit"
UNCACHED = MISS.replace("miss", "")
LIST = "sydney.management;1.0;;;"
OTHER_ZONE = "sydney.host;;;;miss>sydney.token.z2;1.0;k1;manual;miss>sydney.store;;k1;manual;"


def exposed(reach, during, *, before=(), events=(), plan=None):
    """The exposure of the step `roll` with that reach."""
    life = [act(FAULT, "planned", reach=reach), *whole_life()[1:]]
    found = exposures(plan or experiment(), history([*before, *during], [*events, *life]))
    return found.steps["roll"]


def baseline(**changes):
    return requests(BASELINE, FAULT, **changes)


def during(good=True, **changes):
    return requests(FAULT, RECOVERY, good, **changes)


@pytest.mark.parametrize(
    ("reach", "state"),
    [
        ({"links": ["client->sydney.host"]}, "met"),
        ({"links": ["client->melbourne.host"]}, "not-exercised"),
        ({"links": ["sydney.token->sydney.store"]}, "met"),
        ({"links": ["melbourne.token->melbourne.store"]}, "not-exercised"),
        ({"nodes": ["sydney.token.z1"]}, "met"),
        ({"nodes": ["sydney.token.z2"]}, "not-exercised"),
        ({"nodes": ["sydney.store"], "keys": ["manual"]}, "met"),
        ({"nodes": ["sydney.store"], "keys": ["managed"]}, "not-exercised"),
        ({"nodes": ["sydney.host"], "machines": ["scaleout_1"]}, "met"),
        ({"nodes": ["sydney.host"], "machines": ["scaleout_2"]}, "not-exercised"),
        ({}, "not-exercised"),
    ],
)
def test_a_trail_shows_what_a_request_met(reach, state):
    """Links and nodes of the trail, the key that was used, the machine that asked."""
    found = exposed(reach, during(trail=MISS), before=baseline(trail=MISS))
    assert found.state == state
    assert [cohort.met for cohort in found.cohorts] == [1200 if state == "met" else 0]


def test_a_request_that_failed_without_a_trail_needed_what_the_baseline_needed():
    """A refused connection leaves no trail: its peers of the baseline say what it wanted."""
    found = exposed({"links": ["client->sydney.host"]}, during(False, trail=""), before=baseline(trail=MISS))
    assert (found.state, found.cohorts[0].met) == ("met", 1200)


def test_peers_are_of_the_same_home():
    """What identities of Melbourne needed in the baseline says nothing of a failure of Sydney's."""
    link = {"links": ["sydney.token->melbourne.store"]}
    far = "sydney.host;;;;miss>sydney.token.z1;;;;miss>melbourne.store;;;;"
    away = baseline(home="melbourne", trail=far, machine="scaleout_2")
    found = exposed(link, during(False, trail=""), before=[*baseline(trail=MISS), *away])
    assert found.cohorts[0].met == 0


@pytest.mark.parametrize(
    ("reach", "between", "met"),
    [
        ({}, {}, 600),
        ({}, {"good": False}, 0),
        ({}, {"trail": UNCACHED}, 0),
        ({}, {"cohort": "others"}, 0),
        ({}, {"operation": "list"}, 0),
        ({}, {"region": "melbourne"}, 0),
        ({}, {"home": "melbourne"}, 0),
        ({"machines": ["scaleout_1"]}, {}, 600),
        ({"machines": ["scaleout_1"]}, {"machine": "scaleout_2"}, 0),
        ({"machines": ["scaleout_2"]}, {}, 0),
    ],
)
def test_what_a_fail_over_before_the_step_went_over_is_needed(reach, between, met):
    """The baseline's requests went elsewhere; those that fail while the step is in place leave no trail."""
    begin = FAULT + 600
    life = [act(begin, "planned", reach={"nodes": ["sydney.token.z2"], **reach}), *whole_life(begin)[1:]]
    found = [
        *baseline(trail=UNCACHED),
        *requests(FAULT, begin, **{"trail": UNCACHED.replace("z1", "z2"), **between}),
        *requests(begin, RECOVERY, False, trail=""),
    ]
    exposure = exposures(experiment(), history(found, life)).steps["roll"]
    assert [(one.cohort, one.total, one.met) for one in exposure.cohorts] == [("new", 600, met)]
    assert exposure.state == ("met" if met else "not-exercised")


def test_a_fail_over_spares_what_the_baseline_needed():
    """Another zone served everybody: nobody met the fault, and the text says what would have been."""
    found = exposed({"nodes": ["sydney.token.z1"]}, during(trail=OTHER_ZONE), before=baseline(trail=MISS))
    assert (found.state, found.cohorts[0].baseline_needed, found.cohorts[0].from_cache) == ("spared", 600, 0)
    assert "100 % of 600 requests needed it in the baseline, and they were answered another way" in found.text


def test_a_cache_spares_what_it_was_filled_over():
    """The first request of a machine shows what is behind the later hits, in the baseline and in the fault."""
    before = [*requests(BASELINE, BASELINE + 1, trail=MISS), *requests(BASELINE + 1, FAULT, trail=HIT)]
    found = exposed({"links": ["sydney.token->sydney.store"]}, during(trail=HIT), before=before)
    assert (found.state, found.cohorts[0].from_cache) == ("spared", 1200)
    assert found.text.endswith(", and 1,200 were answered from caches filled over it"), "all of them"
    nobodys = exposed(
        {"links": ["sydney.token->sydney.store"]},
        during(trail=HIT, machine=""),
        before=[one._replace(machine="") for one in before],
    )
    assert nobodys.cohorts[0].from_cache == 0, "without a machine nothing says whose cache it was"
    some = exposed(
        {"links": ["sydney.token->sydney.store"]}, [*during(trail=HIT), *during(trail=HIT, machine="other")], before=before
    )
    assert some.text.endswith(", and 1,200 were answered from caches filled over it, the others another way")


def test_only_who_asks_caches_has_something_behind_them():
    """An operator's call about a machine is not answered from what the machine's token was fetched over."""
    before = [*requests(BASELINE, BASELINE + 1, trail=MISS), *requests(BASELINE + 1, FAULT, cohort="ops", trail=LIST)]
    found = exposed(
        {"links": ["sydney.token->sydney.store"]},
        during(cohort="ops", trail=LIST),
        before=before,
        plan=experiment(slos=[{**document()["slos"][0], "indicator": {"ratioMetric": {"total": {"cohorts": ["ops"]}}}}]),
    )
    assert found.state == "not-exercised"


def test_priming_shows_what_is_behind_a_cache():
    """A machine that never misses during the load was filled before it."""
    behind = "sydney.token.z1;1.0;k1;manual;miss>sydney.store;;k1;manual;"
    primed = Event(T0, "note", "primed", "sydney", {"routes": {behind: ["scaleout_1"]}})
    reach = {"links": ["sydney.token->sydney.store"]}
    hits = {"during": during(trail=HIT), "before": baseline(trail=HIT)}
    assert exposed(reach, **hits).state == "not-exercised"
    assert exposed(reach, **hits, events=[primed]).state == "spared"


def test_a_replica_spares_what_it_can_answer():
    """Nobody goes over the way of a snapshot: a request that its replica answers is spared, one that fails there met it."""
    paused = {"replicas": ["sydney.token.z1"]}
    served = exposed(paused, during(trail=MISS), before=baseline(trail=MISS))
    assert (served.state, served.cohorts[0].from_cache) == ("spared", 1200)
    assert "1,200 were answered from replicas that it feeds" in served.text
    assert exposed(paused, during(False, trail=MISS), before=baseline(trail=MISS)).state == "met"
    assert exposed(paused, during(trail=OTHER_ZONE), before=baseline(trail=OTHER_ZONE)).state == "not-exercised"


def test_those_at_risk_are_at_most_what_the_baseline_needed():
    """A third of the baseline needed the zone that was lost, so a third of the requests meanwhile would have."""
    before = [*baseline(trail=OTHER_ZONE), *requests(BASELINE, BASELINE + 300, trail=MISS)]
    life = [act(FAULT, "planned", reach={"nodes": ["sydney.token.z1"]}), *whole_life()[1:]]
    found = exposures(experiment(), history([*before, *during(trail=OTHER_ZONE)], life))
    assert found.objectives == {"tokens": AtRisk("spared", 400)}


def test_only_judged_requests_of_the_time_in_place_count():
    """What other cohorts met, or what was sent before or after, is no exposure."""
    reach = {"nodes": ["sydney.store"]}
    others = during(cohort="others", trail=MISS)
    later = requests(RECOVERY, END, trail=MISS)
    warm = {"trail": "melbourne.host;;;;hit", "machine": "web-1"}
    quiet = exposed(reach, [*others, *during(**warm), *later], before=baseline(**warm))
    assert quiet.state == "not-exercised"
    assert [cohort.cohort for cohort in quiet.cohorts] == ["new"]


def test_a_step_without_a_judged_request_meanwhile_says_so():
    """Nothing was sent while it was in place."""
    found = exposed({"nodes": ["sydney.store"]}, (), before=baseline(trail=MISS))
    assert (found.state, found.text) == ("not-exercised", "no judged request was sent while it was in place")


def test_a_record_without_a_reach_has_that_of_its_carriers():
    """Records of earlier versions name the carriers of what was applied."""
    events = [act(FAULT, "applied", carriers=["link:sydney.token->sydney.store"]), act(RECOVERY, "released")]
    assert exposures(experiment(), history(during(trail=MISS), events)).steps["roll"].state == "met"
    assert exposures(experiment(), history(during(trail=MISS), [act(FAULT, "applied")])).steps == {}


def test_a_route_follows_who_may_call_whom():
    """A hop that nobody before it calls is the client's own call; a region is left only where the service leaves it."""
    own = route_of("melbourne.vault;;;;>melbourne.host;;;;hit")
    assert own.links == {"client->melbourne.vault", "client->melbourne.host"}
    assert own.asks_caches
    written = route_of("sydney.management;;;;>melbourne.store;;;;>sydney.directory;;;;>sydney.host;;;;")
    assert {"sydney.management->sydney.directory", "sydney.management->sydney.host"} < written.links
    assert route_of("").links == frozenset()


def test_carriers_that_no_request_names_reach_what_they_feed():
    """A switch concerns its node's requests, a link of the directory those that are answered from the replica."""
    reach = Reach.of_carriers(["control:sydney.store", "link:sydney.directory->melbourne.vault", "link:client->sydney.host"])
    assert reach == Reach(links=("client->sydney.host",), nodes=("sydney.store",), replicas=("melbourne.vault",))
    assert Reach.from_json(reach.to_json()) == reach
    assert str(Reach()) == "nothing that serves a request"


def test_an_objective_is_exposed_when_its_own_requests_are():
    """One objective's requests need the store, the other's are a control: they never do."""
    own, control = document()["slos"][0], {**document()["slos"][0], "name": "control"}
    control["indicator"] = {"ratioMetric": {"total": {"cohorts": ["others"]}}}
    found = [*during(trail=MISS), *during(cohort="others", machine="south_1", trail="melbourne.host;;;;miss")]
    life = [act(FAULT, "planned", reach={"nodes": ["sydney.store"]}), *whole_life()[1:]]
    plan = experiment(slos=[own, control])
    objectives = exposures(plan, history(found, life)).objectives
    assert objectives == {"tokens": AtRisk("met", 1200), "control": AtRisk("not-exercised", 0)}
    assert exposures(plan, history(found, ())).objectives == {}


@pytest.mark.parametrize(("begin", "end", "before"), [(900, FAULT + 60, 300), (BASELINE, FAULT + 60, 0), (660, 1000, 260)])
def test_a_baseline_is_of_the_time_without_the_step(begin, end, before):
    """What was needed while it was in place says nothing of what is needed without it."""
    life = [act(begin, "planned", reach={"links": ["client->sydney.host"]}), *whole_life(begin, end)[1:]]
    about = {"ratioMetric": {"total": {"cohorts": ["new"], "operations": ["token"]}}}
    plan = experiment(slos=[{**document()["slos"][0], "indicator": about, "phases": ["baseline", "fault"]}])
    sent = [*requests(BASELINE, END, trail=MISS), *requests(BASELINE, END, operation="list", trail=MISS)]
    (cohort,) = exposures(plan, history(sent, life)).steps["roll"].cohorts
    assert cohort.baseline_total == before, "of the operation that is judged"


def test_a_step_that_was_never_released_is_in_place_to_the_end():
    """The requests of the recovery met it too, to the last."""
    plan = experiment(slos=[{**document()["slos"][0], "phases": ["recovery"]}])
    life = [act(FAULT, "planned", reach={"links": ["client->sydney.host"]}), *whole_life()[1:4]]
    whole = exposures(plan, history(requests(BASELINE, END, trail=MISS), life)).steps["roll"].cohorts[0]
    released = [*life, act(END, "released")]
    longer = requests(BASELINE - 60, END + 60, trail=MISS)  # the warm-up, and what comes after the end, are no phase
    assert whole == exposures(plan, history(longer, released)).steps["roll"].cohorts[0]
    assert whole.met == whole.total > 1000


def test_a_fault_of_the_recovery_is_met_by_its_requests():
    """A fault that outlasts the heal phase: an objective of the recovery alone counts those of that phase, and the baseline."""
    plan = experiment(slos=[{**document()["slos"][0], "phases": ["recovery"]}])
    life = [act(FAULT, "planned", reach={"links": ["client->sydney.host"]}), *whole_life(FAULT, RECOVERY + 300)[1:]]
    found = exposures(plan, history(requests(BASELINE, END, trail=MISS), life)).steps["roll"]
    (cohort,) = found.cohorts
    assert (found.state, cohort.total, cohort.met) == ("met", 240, 240)
    assert (cohort.baseline_total, cohort.baseline_needed) == (600, 600)

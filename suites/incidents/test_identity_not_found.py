"""An add-on attaches a second identity to a cluster's nodes, and hours later every pod fails (source 002, May 2020) as tests.

The story. The nodes of a cluster share one user-assigned identity. Pods ask IMDS for tokens without saying whose: with one
identity there is no doubt. An add-on for monitoring is enabled, and attaches an identity of its own to the nodes. Everything
works on. Hours later the first pods get `Identity not found`, a day later all of them. With the add-on disabled it works again.

D1 to D11 are the claims (docs/reference/sources.md), D12 and D13 are ours: the failure can be seen before it bites, and be
prevented. The first half of this page replays the day; the second half asks real clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError

from brownout.harness.experiment.model import Experiment
from brownout.harness.pytest_plugin.runs import Brownout, Run
from brownout.suites.incidents.evidence import Evidence
from brownout.suites.incidents.identity_not_found_claims import TEXTS, UNNAMED, first_failures, forecast
from support.identity_clients import HOUR_S, SimulatedAzure, simulated_azure

REAL = pytest.param("processes", marks=[pytest.mark.slow, pytest.mark.alone, pytest.mark.brownout_processes])
NODE = {
    "node": {"region": "sydney", "identities": ["agentpool"]},
    "aks": {"region": "sydney", "scale_set": True, "identities": ["agentpool"]},
}


@pytest.fixture(scope="module", params=["simulation", REAL])
def incident(brownout: Brownout, request: pytest.FixtureRequest) -> Run:
    """The day as it was, in a world: one run that the tests of this page share."""
    return brownout.run("identity-not-found", posture="as-of-2020-05", world=request.param, seed=1)


# The day


def test_pods_that_name_no_identity_fail_and_all_others_do_not(incident: Run) -> None:
    """The objectives of pods and plain machines are breached; those of pods that name theirs, and of neighbours, are met."""
    incident.expect("breach")
    assert incident.slo("pods-get-tokens").status == "breached"
    assert incident.slo("machines-get-tokens").status == "breached"
    assert incident.slo("naming-pods-get-tokens").status == "met"
    assert incident.slo("neighbours-get-tokens").status == "met"


def test_one_identity_needs_no_name_and_several_do(incident: Run) -> None:
    """Before the add-on no client fails (D1), a day after it all that name none do (D2), in the words of 2020 (D3)."""
    incident.holds("D1", "D2", "D3")


def test_it_takes_hours_and_then_everybody(incident: Run) -> None:
    """Nodes fail one by one as their tokens end (D5), because the host's cache hides it (D8)."""
    assert incident.claim("D5").status == "calibrated"
    incident.holds("D8")


def test_disabling_the_add_on_heals_it_and_so_does_a_name(incident: Run) -> None:
    """From the minute of the detach no client fails (D6), and clients that name the identity never did (D7)."""
    incident.holds("D6", "D7")


def test_any_second_identity_does_it_and_one_of_its_own_does_worse(incident: Run) -> None:
    """Another add-on has the same effect (D9); a system-assigned identity changes what callers get, without an error (D11)."""
    incident.holds("D9", "D11")


def test_each_nodes_hour_was_known_before_any_failed(incident: Run) -> None:
    """The look ahead, ten minutes after the attach, names every node that fails and the hour at which it does (D12)."""
    incident.holds("D12")


def test_whoever_asks_first_is_refused(incident: Run) -> None:
    """An installer that asks the hosts who names no identity does not get to attach one (D13)."""
    incident.holds("D13")


def test_no_claim_differs(incident: Run) -> None:
    """Every claim is in the table; those about real clients are marked, and tested below."""
    claims = incident.result.claims
    assert [claim.id for claim in claims] == [f"D{number}" for number in range(1, 14)]
    assert [claim.id for claim in claims if claim.status == "differs"] == []
    assert [claim.id for claim in claims if claim.status == "not-testable"] == ["D4", "D10"]


# Change one thing, and the outcome changes


def test_with_the_check_first_nothing_fails(brownout: Brownout) -> None:
    """The posture `checked-first` refuses the add-on and passes."""
    run = simulated(brownout, "checked-first").expect("pass")
    assert run.step("enable-add-on").state == "defended"
    assert run.step("look-ahead").state == "skipped"


def test_without_a_cache_it_fails_at_once(brownout: Brownout) -> None:
    """`no-host-cache`: every pod without a token of its own fails from the attach on, and there is nothing to foresee."""
    run = simulated(brownout, "no-host-cache", without="look-ahead").expect("breach")
    seen = Evidence(run.history, run.result, {})
    assert seen.between("07:02", "07:30", UNNAMED).all_bad


@pytest.mark.parametrize(("posture", "least_h", "most_h"), [("early-refresh", 11.5, 24), ("refresh-at-expiry", 0, 2)])
def test_when_hosts_refresh_decides_how_soon_the_first_node_fails(
    brownout: Brownout, posture: str, least_h: float, most_h: float
) -> None:
    """The earlier a host renews, the longer the shortest-lived token still has: 12 h at half of its life, none at its end."""
    run = simulated(brownout, posture).expect("breach")
    seen = Evidence(run.history, run.result, {})
    first_h = (min(first_failures(seen).values()) - seen.fault_s) / HOUR_S
    assert least_h < first_h < most_h


@pytest.mark.parametrize("seed", range(2, 8))
def test_the_forecast_is_right_for_every_seed(brownout: Brownout, seed: int) -> None:
    """Whatever the ages of the tokens, nodes fail in the order and at the hours that the look ahead named."""
    run = brownout.run(plain(brownout), world="simulation", seed=seed, controls=False)
    seen = Evidence(run.expect("breach").history, run.result, {})
    told = {str(each["machine"]): float(each["fails_s"]) for each in forecast(seen, "look-ahead") if not each["named"]}
    failed = first_failures(seen)
    assert set(failed) <= set(told)
    late = {name: at_s - told[name] for name, at_s in failed.items()}
    assert all(0 <= delay_s < 2 * HOUR_S for delay_s in late.values()), late


def plain(brownout: Brownout, without: str = "") -> Experiment:
    """The day without the claims and their control runs."""
    day = brownout.experiment("identity-not-found")
    steps = tuple(step for step in day.schedule if step.name != without)
    return day.model_copy(update={"claims": "", "controls": {}, "schedule": steps})


def simulated(brownout: Brownout, posture: str, without: str = "") -> Run:
    return brownout.run(plain(brownout, without), posture=posture, world="simulation", seed=1)


# Real clients


@pytest.fixture(params=["2020", "2024"])
def cluster(request: pytest.FixtureRequest) -> Iterator[SimulatedAzure]:
    """A node with one identity, on a host that chooses the identity at each request, in the words of a year."""
    with simulated_azure(NODE, ambiguous_text=request.param) as stack:
        yield stack


def refused(get: Any) -> str:
    """The text of the error that a client raises, which must be one."""
    with pytest.raises((CredentialUnavailableError, ClientAuthenticationError, LookupError)) as failed:
        get()
    return str(failed.value)


def test_all_clients_fail_alike_and_name_the_cause(cluster: SimulatedAzure) -> None:
    """Plain HTTP, azure-identity sync and async, and msal: one request each, 400, the year's words in the error (D3, D4)."""
    for client in (cluster.sync("node"), cluster.asynchronous("node"), cluster.msal("node")):
        assert client(), "one identity needs no name"
    cluster.attach("node", "aks")
    answer = cluster.raw("node")
    assert answer.body is not None
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")
    words = answer.body["error_description"]
    assert words in TEXTS.values()
    for client in (cluster.sync("node"), cluster.asynchronous("node"), cluster.msal("node"), cluster.sync("aks_3")):
        before, since_s = len(cluster.asked), cluster.now_s
        assert words in refused(client)
        assert len(cluster.asked) == before + 1, "a 400 is not tried again"
        assert cluster.now_s - since_s < 1
    cluster.detach()
    for client in (cluster.sync("node"), cluster.asynchronous("node"), cluster.msal("node")):
        assert client(), "detaching heals, with no client changed (D6)"


def test_each_way_of_naming_the_identity_works(cluster: SimulatedAzure) -> None:
    """By client id, object id or resource id, from each client, with two identities attached (D7)."""
    cluster.attach("node")
    named = cluster.world.spec.identity("agentpool")
    assert cluster.raw("node", client_id=named.client_id).status == 200
    assert cluster.raw("node", object_id=named.object_id).status == 200
    assert cluster.raw("node", msi_res_id=named.resource_id).status == 200
    ways: list[dict[str, Any]] = [
        {"client_id": named.client_id},
        {"identity_config": {"object_id": named.object_id}},
    ]
    for way in ways:
        assert cluster.sync("node", **way)()
        assert cluster.asynchronous("node", **way)()
    assert cluster.sync("node", identity_config={"resource_id": named.resource_id})()
    assert cluster.msal("node", {"client_id": named.client_id})()


def test_the_sync_client_hides_it_for_a_day_and_the_async_one_for_half_of_it() -> None:
    """With a token of their own: from half of its life on sync asks in vain and goes on to its end, and async raises (D10)."""
    with simulated_azure(NODE, host_cache=False, instance_cache=False) as stack:
        sync, other = stack.sync("node"), stack.asynchronous("node")
        first, begun_s = sync().token, stack.now_s
        other()
        stack.attach("node")
        at(stack, begun_s + 11.9 * HOUR_S)
        asked = len(stack.asked)
        assert (sync().token, other().token != "") == (first, True)
        assert len(stack.asked) == asked, "before half of the life no client asks"
        at(stack, begun_s + 12.1 * HOUR_S)
        assert sync().token == first
        assert len(stack.asked) == asked + 1, "one request in vain per call, hidden by the token that is left"
        refused(other)
        at(stack, begun_s + 23.8 * HOUR_S)
        assert sync().token == first
        at(stack, begun_s + 23.95 * HOUR_S)
        refused(sync)


def test_an_identity_of_its_own_changes_what_real_clients_get() -> None:
    """The next token of a client that names none is another identity's, and nothing says so (D11)."""
    with simulated_azure(NODE) as stack:
        before = stack.msal("node")()
        stack.attach("node", identity="system")
        after = stack.msal("node")()
        assert before["access_token"] != after["access_token"]
        answer = stack.raw("node")
        assert answer.body is not None
        assert answer.body["client_id"] != stack.client_id("agentpool")


def at(stack: SimulatedAzure, moment_s: float) -> None:
    """Waits until then."""
    stack.sleep(moment_s - stack.now_s)

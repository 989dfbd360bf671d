"""The plan of a load in containers, from the specification that containers share."""

from __future__ import annotations

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.load.driver import find_locustfile
from brownout.harness.load.models.model import SignIn
from brownout.harness.operate.loads.load_master import locust_arguments, make_plan
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.server.clock import Clock
from brownout.identity.server.spec_file import ServedStack

STACK = build_stack(seed=1)
LINKS = {str(link): f"toxiproxy:{20000 + number}" for number, link in enumerate(STACK.links())}
SERVED = ServedStack(STACK, Clock(1000.0, 5.0, 2.0), links=LINKS)


def test_clients_know_their_own_links_and_nothing_else() -> None:
    """The plan has the clients' links as containers reach them, the stack's clock, and the rate asked for."""
    plan = make_plan(SERVED, per_s=30.0, sign_in=SignIn("token"))
    assert plan.urls == {link: f"http://{address}" for link, address in LINKS.items() if link.startswith("client->")}
    assert plan.clock == {"epoch_s": 1000.0, "monotonic_s": 5.0, "rate": 2.0}
    assert sum(cohort.rate_per_s for cohort in plan.cohorts) * 2.0 == pytest.approx(30.0)
    assert {cohort.model for cohort in plan.cohorts} == {"token", "resource", "management"}


def test_without_a_users_token_nobody_calls_the_management_plane() -> None:
    """Without a user token, cohorts that need one are left out, and the others get the whole rate."""
    plan = make_plan(SERVED, per_s=30.0, sign_in=SignIn())
    assert {cohort.model for cohort in plan.cohorts} == {"token", "resource"}
    assert sum(cohort.rate_per_s for cohort in plan.cohorts) * 2.0 == pytest.approx(30.0)
    assert len(plan.watch.objectives) == len(plan.cohorts)


def test_a_stack_for_which_there_are_no_clients_is_told() -> None:
    """A stack whose machines fit no client model is refused instead of getting an empty load."""
    bare = build_stack(seed=1, machines={"lonely": {"region": "sydney", "identities": []}})
    with pytest.raises(UsageError, match="no cohort"):
        make_plan(ServedStack(bare, SERVED.clock, links=LINKS), per_s=30.0, sign_in=SignIn())


def test_the_master_is_the_projects_own_locust_file() -> None:
    """The command line starts this project's Locust file as a master that waits for its first worker."""
    assert locust_arguments()[:4] == ["-m", "locust", "-f", str(find_locustfile())]
    assert "--master" in locust_arguments()

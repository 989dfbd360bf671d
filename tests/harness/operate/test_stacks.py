"""Which stack a command means: by name or because there is only one, and what each kind of command accepts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brownout.harness.base.processes import ProcessId
from brownout.harness.base.statedir import ledger_path, stack_dir
from brownout.harness.errors import UsageError
from brownout.harness.injection.ledger import Ledger
from brownout.harness.operate.stacks import Purpose, resolve_stack, stack_shape

ENDED = ProcessId(1, "long ago")  # as of a command that brought a stack up and returned
Enter = Callable[..., None]


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Enter:
    """Enters a stack into a ledger of this test's own: `enter("s1", run=..., rising=...)`."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path))

    def entered(name: str, *, run: bool = False, rising: bool = False) -> None:
        with Ledger(ledger_path()) as ledger:
            owner = ProcessId.me() if run or rising else ENDED
            ledger.add_stack(name, folder=stack_dir(name), world="simulation", owner=owner, run_owned=run)

    return entered


@pytest.mark.parametrize("purpose", ["break", "load", "look"])
def test_the_only_stack_that_was_left_up_is_meant(enter: Enter, purpose: Purpose) -> None:
    """A run's stack beside it makes no difference; a name picks among several."""
    with pytest.raises(UsageError, match=r"(?s)no stack is up.*`brownout up` brings one up") as nothing:
        resolve_stack(for_=purpose)
    assert nothing.value.exit_code == 2
    enter("run-1", run=True)
    enter("mine")
    assert resolve_stack(for_=purpose).id == "mine"
    enter("other")
    assert resolve_stack("other", for_=purpose).id == "other"
    with pytest.raises(UsageError, match=r"(?s)2 stacks are up.*one of mine, other"):
        resolve_stack(for_=purpose)


def test_a_runs_stack_may_be_loaded_and_looked_at_by_name_alone(enter: Enter) -> None:
    """A run's stack is used for load and status only when named, and never for faults by hand."""
    enter("run-1", run=True)
    assert resolve_stack("run-1", for_="load").id == "run-1"
    assert resolve_stack("run-1", for_="look").id == "run-1"
    with pytest.raises(UsageError, match=r"(?s)no stack is up.*one of run-1"):
        resolve_stack(for_="load")
    for name in ("run-1", ""):
        with pytest.raises(UsageError, match="run-1 is not yours to break by hand: a run is using it"):
            resolve_stack(name, for_="break")


def test_a_stack_that_is_coming_up_is_not_broken_yet(enter: Enter) -> None:
    """`inject` refuses a stack that is still coming up, whose `up` would take the fault for a failed start."""
    enter("mine", rising=True)
    assert resolve_stack(for_="load").id == "mine"
    with pytest.raises(UsageError, match="still coming up"):
        resolve_stack(for_="break")


def test_a_wrong_name_gets_the_nearest_that_is_accepted(enter: Enter) -> None:
    """A command that does not accept a run's stack does not propose one."""
    enter("run-north", run=True)
    with pytest.raises(UsageError, match="did you mean 'run-north'"):
        resolve_stack("run-nort", for_="load")
    with pytest.raises(UsageError, match=r"(?s)no stack 'run-nort' is up.*`brownout up`"):
        resolve_stack("run-nort", for_="break")


def test_a_stack_has_both_vendors_unless_one_is_named() -> None:
    """`up` brings both halves; `--vendor` one, and `--regions` are a list with commas."""
    assert stack_shape((), "", "").vendors == ("aws", "azure")
    assert stack_shape((), "", "").regions == ("sydney", "melbourne")
    named = stack_shape(("aws", "aws"), "tokyo, dublin", "dublin")
    assert (named.vendors, named.regions, named.home) == (("aws",), ("tokyo", "dublin"), "dublin")

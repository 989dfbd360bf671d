"""`brownout latent` tells who will fail and when, in words for people and as JSON for programs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from brownout.harness.cli import main
from brownout.harness.operate import latent
from brownout.harness.worlds.renewals import LatentFailure, RenewalLook

NOW_S = 1_588_834_800.0  # 2020-05-07T07:00:00Z
FOUND = LatentFailure("sydney", "aks_3", "https://vault.azure.net", "", False, "not-found", "Identity not found", NOW_S + 7500)
GONE = LatentFailure("sydney", "vm-1", "https://vault.azure.net", "", True, "not-found", "it is gone", NOW_S - 5)


def said(monkeypatch: pytest.MonkeyPatch, look: RenewalLook, *options: str) -> tuple[int, str]:
    """The exit code and the output of the command on a stack where that is seen."""
    monkeypatch.setattr(latent, "latent_failures", lambda stack: ("demo", look))
    result = CliRunner().invoke(main, ["latent", *options])
    return result.exit_code, result.stdout


def test_each_machine_that_will_fail_has_its_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, the soonest first, with the time left; what fails already is said so."""
    code, text = said(monkeypatch, RenewalLook(NOW_S, 12, (GONE, FOUND)))
    assert code == 1
    head, first, second = text.splitlines()
    assert head == "demo: 12 cached tokens tried at 2020-05-07 07:00:00; 2 would not be renewed"
    assert "fails already" in first
    assert "a name that means nothing there: it is gone" in first
    assert "2020-05-07 09:05:00  in   2 h 05 min  sydney.aks_3" in second
    assert "no identity named: Identity not found" in second


def test_a_sound_stack_is_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 0 where every token would be renewed; a stack without a cached token is not called sound."""
    code, text = said(monkeypatch, RenewalLook(NOW_S, 12, ()))
    assert (code, "all would be renewed" in text) == (0, True)
    code, text = said(monkeypatch, RenewalLook(NOW_S, 0, ()))
    assert (code, "no token is cached" in text) == (0, True)


def test_a_program_gets_one_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same in JSON, with times as numbers and as text."""
    code, text = said(monkeypatch, RenewalLook(NOW_S, 12, (FOUND,)), "--json")
    told = json.loads(text)
    assert (code, told["tokens"], told["stack"]) == (1, 12, "demo")
    assert told["failures"][0]["fails_at"] == "2020-05-07 09:05:00"
    assert told["failures"][0]["fails_s"] == NOW_S + 7500

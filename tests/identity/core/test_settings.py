"""Settings, builds and the configuration of nodes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.settings import BUILDS, Settings, check_config


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"token_lifetme_s": 1}, "did you mean 'token_lifetime_s'"),
        ({"pin": {}}, "did you mean 'pins'"),
        ({"zzz": 1}, "no setting 'zzz'"),
        ({"token_lifetime_s": "1h"}, "a number that is not negative"),
        ({"token_lifetime_s": -1}, "a number that is not negative"),
        ({"token_lifetime_s": True}, "a number that is not negative"),
        ({"token_lifetime_s": float("inf")}, "a number that is not negative"),
        ({"token_lifetime_s": float("nan")}, "a number that is not negative"),
        ({"token_lifetime_s": 0}, "above 0"),
        ({"publish_interval_s": 0}, "above 0"),
        ({"publish_interval_s": 1e-9}, "from 0.1"),
        ({"token_lifetime_s": 1e300}, "at most"),
        ({"call_timeout_ms": 1e9}, "to 600000"),
        ({"call_timeout_ms": 0}, "above 0"),
        ({"host_refresh_fraction": 0}, "a share of a token's life"),
        ({"host_refresh_fraction": 1.1}, "a share of a token's life"),
        ({"instance_refresh_fraction": 0}, "a share of a token's life"),
        ({"host_cache": "yes"}, "host_cache is bool"),
        ({"ambiguous_text": 2024}, "ambiguous_text is str"),
        ({"ambiguous_text": "2023"}, "one of 2020, 2024"),
        ({"token_alg": "HS256"}, "one of ES256, RS256"),
        ({"store_access": "magic"}, "one of key, managed-identity"),
        ({"builds": ["2.0"]}, "is a table"),
        ({"builds": {"sydney": "3.0"}}, "no build '3.0'"),
        ({"pins": {"sydney": 1.0}}, "no build 1.0"),
        ({"pins": {"sydney": ["1.0"]}}, "no build ['1.0']"),
        ({"force_managed_key": "sydney"}, "a list of names"),
        ({"extra_resources": [1]}, "a list of names"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_was_meant(raw: dict[str, Any], words: str) -> None:
    """Each wrong setting has a message that names it, what it is, and the nearest that there is; the stack is not made."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Settings.of(raw)
    with pytest.raises(UsageError) as refused:
        build_stack(seed=1, settings=raw)
    assert refused.value.message.startswith("settings: ")
    assert words in refused.value.message


def test_settings_that_were_made_before_are_not_taken_for_others() -> None:
    """1, 1.0 and True are equal, and one of them is no number of seconds; a list that changed has another value."""
    assert Settings.of({"token_lifetime_s": 1}).token_lifetime_s == Settings.of({"token_lifetime_s": 1.0}).token_lifetime_s
    with pytest.raises(ValueError, match="a number that is not negative"):
        Settings.of({"token_lifetime_s": True})
    assert Settings.of({"token_lifetime_s": 2}).token_lifetime_s == 2
    assert Settings.of({"name_ttl_s": 1}).token_lifetime_s == Settings().token_lifetime_s
    builds = {"builds": {"sydney": "2.0"}}
    assert Settings.of(builds).builds == {"sydney": "2.0"}
    builds["builds"]["sydney"] = "1.0"
    assert Settings.of(builds).builds == {"sydney": "1.0"}


def test_every_setting_has_a_default_that_is_valid() -> None:
    """No settings at all make a sound stack."""
    assert Settings.of({}) == Settings()


def test_tokens_are_signed_as_by_the_real_service_unless_a_setting_says_otherwise() -> None:
    """RS256 is the default and ES256 can be chosen."""
    assert (Settings.of({}).token_alg, Settings.of({"token_alg": "ES256"}).token_alg) == ("RS256", "ES256")


@pytest.mark.parametrize("build", BUILDS)
def test_every_build_can_be_started_with(build: str) -> None:
    """Builds and pins may name any build that there is."""
    made = Settings.of({"builds": {"sydney": build}, "pins": {"melbourne": build}})
    assert (made.builds["sydney"], made.pins["melbourne"]) == (build, build)


@pytest.mark.parametrize("wanted", [{"force_manged_key": True}, {"force_managed_key": 1}, {"force_managed_key": None}])
def test_a_nodes_configuration_is_checked(wanted: dict[str, Any]) -> None:
    """A node is configured with what it knows, true or false, and nothing else."""
    with pytest.raises(ValueError, match="force_man"):
        check_config(wanted)

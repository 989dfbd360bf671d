"""What hosts and token nodes say to each other of a machine's credentials."""

from __future__ import annotations

import pytest

from brownout.identity.aws.instance_credentials import EC2, ECS_TASKS, InstanceCredentials, InstanceCredentialsRequest

GIVEN = InstanceCredentials("ASIAEXAMPLE", "a secret", "a token", issued_s=1000.0, expires_s=22600.0)


def test_both_records_survive_their_json_form() -> None:
    """Reading what was written gives the same record."""
    asked = InstanceCredentialsRequest("web-1", "web", "i-0123456789abcdef0", ECS_TASKS)
    assert InstanceCredentialsRequest.from_json(asked.to_json()) == asked
    assert InstanceCredentials.from_json(GIVEN.to_json()) == GIVEN


def test_a_request_without_a_service_is_that_of_an_instance() -> None:
    """EC2 is the service of a request that names none."""
    asked = InstanceCredentialsRequest.from_json({"machine": "web-1", "role": "web", "session_name": "i-0"})
    assert asked.service == EC2


def test_secrets_are_not_printed() -> None:
    """The text form, which logs and assertions show, has neither the secret nor the token."""
    assert "a secret" not in repr(GIVEN)
    assert "a token" not in repr(GIVEN)


@pytest.mark.parametrize("missing", ["access_key_id", "secret", "token", "issued_s", "expires_s"])
def test_an_incomplete_answer_is_no_record(missing: str) -> None:
    """An answer without one of its parts raises KeyError."""
    raw = {name: value for name, value in GIVEN.to_json().items() if name != missing}
    with pytest.raises(KeyError):
        InstanceCredentials.from_json(raw)

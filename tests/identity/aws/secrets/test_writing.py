"""Secrets are made, changed and ended in their region, durably, with boto3."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from support.simulated_aws import SimulatedAws

VAULT = "sydney.vault"
DAY_S = 86_400.0


@pytest.fixture
def client(aws: SimulatedAws) -> Any:
    return aws.client("secretsmanager", aws.maker.key_of("caller"), VAULT)


def value_of(client: Any, name: str, **more: str) -> str:
    return str(client.get_secret_value(SecretId=name, **more)["SecretString"])


def test_a_secret_lives_from_creation_to_deletion(aws: SimulatedAws, client: Any) -> None:
    """Create, read, update, describe and delete see one another, and no other region sees any of it."""
    made = client.create_secret(Name="job/key", SecretString="one", Tags=[{"Key": "team", "Value": "a"}])
    assert value_of(client, "job/key") == "one"
    client.update_secret(SecretId="job/key", SecretString="two", Description="rotated")
    shown = client.describe_secret(SecretId=made["ARN"])
    assert (value_of(client, "job/key"), shown["Description"]) == ("two", "rotated")
    assert shown["Tags"] == [{"Key": "team", "Value": "a"}]
    elsewhere = aws.client("secretsmanager", aws.maker.key_of("caller"), "melbourne.vault")
    with pytest.raises(elsewhere.exceptions.ResourceNotFoundException):
        elsewhere.get_secret_value(SecretId="job/key")
    client.delete_secret(SecretId="job/key", ForceDeleteWithoutRecovery=True)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_secret_value(SecretId="job/key")


def test_the_value_before_stays_readable(client: Any) -> None:
    """A new value becomes AWSCURRENT and moves the one before to AWSPREVIOUS; a third leaves the first without a label."""
    client.create_secret(Name="s", SecretString="one")
    client.put_secret_value(SecretId="s", SecretString="two")
    assert value_of(client, "s", VersionStage="AWSPREVIOUS") == "one"
    client.put_secret_value(SecretId="s", SecretString="three")
    assert value_of(client, "s", VersionStage="AWSPREVIOUS") == "two"
    assert len(client.list_secret_version_ids(SecretId="s")["Versions"]) == 2
    assert len(client.list_secret_version_ids(SecretId="s", IncludeDeprecated=True)["Versions"]) == 3


def test_labels_move_between_versions(client: Any) -> None:
    """A label of the client's own marks a pending version; moving AWSCURRENT to it needs the version that has the label."""
    first = client.create_secret(Name="s", SecretString="one")["VersionId"]
    second = client.put_secret_value(SecretId="s", SecretString="two", VersionStages=["PENDING"])["VersionId"]
    assert value_of(client, "s") == "one"
    with pytest.raises(client.exceptions.InvalidParameterException, match="RemoveFromVersionId"):
        client.update_secret_version_stage(SecretId="s", VersionStage="AWSCURRENT", MoveToVersionId=second)
    client.update_secret_version_stage(
        SecretId="s", VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first
    )
    assert (value_of(client, "s"), value_of(client, "s", VersionStage="AWSPREVIOUS")) == ("two", "one")
    client.update_secret_version_stage(SecretId="s", VersionStage="PENDING", RemoveFromVersionId=second)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        value_of(client, "s", VersionStage="PENDING")
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.update_secret_version_stage(SecretId="s", VersionStage="AWSCURRENT", RemoveFromVersionId=second)


def test_binary_values_come_back_as_bytes(client: Any) -> None:
    """Bytes go in and out; both kinds at once are refused."""
    client.create_secret(Name="b", SecretBinary=b"\x00\xff")
    assert client.get_secret_value(SecretId="b")["SecretBinary"] == b"\x00\xff"
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.put_secret_value(SecretId="b", SecretBinary=b"1", SecretString="1")
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.put_secret_value(SecretId="b")


def test_a_secret_without_a_value_has_none_to_read(client: Any) -> None:
    """It can be described, and reading it is ResourceNotFoundException until a value is put."""
    client.create_secret(Name="empty")
    assert client.describe_secret(SecretId="empty")["Name"] == "empty"
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="AWSCURRENT"):
        client.get_secret_value(SecretId="empty")
    client.put_secret_value(SecretId="empty", SecretString="now")
    assert value_of(client, "empty") == "now"


def test_a_retried_write_happens_once(client: Any) -> None:
    """The same request token with the same value succeeds again; with another value it is refused, and so is a second name."""
    token = "t" * 32
    for _ in range(2):
        made = client.create_secret(Name="s", SecretString="one", ClientRequestToken=token)
        assert made["VersionId"] == token
        client.put_secret_value(SecretId="s", SecretString="two", ClientRequestToken="u" * 32)
    assert len(client.list_secret_version_ids(SecretId="s", IncludeDeprecated=True)["Versions"]) == 2
    with pytest.raises(client.exceptions.ResourceExistsException, match="ClientRequestToken"):
        client.put_secret_value(SecretId="s", SecretString="three", ClientRequestToken="u" * 32)
    with pytest.raises(client.exceptions.ResourceExistsException, match="already exists"):
        client.create_secret(Name="s", SecretString="one")


def test_a_deleted_secret_can_be_restored_until_its_end(aws: SimulatedAws, client: Any) -> None:
    """In between it cannot be read or made again and is listed on request only; afterwards it does not exist."""
    ends = client.delete_secret(SecretId="sample", RecoveryWindowInDays=7)["DeletionDate"].timestamp()
    assert ends == pytest.approx(aws.now_s + 7 * DAY_S, abs=1)
    with pytest.raises(client.exceptions.InvalidRequestException, match="marked for deletion"):
        client.get_secret_value(SecretId="sample")
    with pytest.raises(client.exceptions.InvalidRequestException, match="scheduled for deletion"):
        client.create_secret(Name="sample", SecretString="x")
    assert "sample" not in [each["Name"] for each in client.list_secrets()["SecretList"]]
    assert "sample" in [each["Name"] for each in client.list_secrets(IncludePlannedDeletion=True)["SecretList"]]
    client.restore_secret(SecretId="sample")
    assert value_of(client, "sample") == "value of sample"
    client.delete_secret(SecretId="sample", RecoveryWindowInDays=7)
    aws.sleep(7 * DAY_S)
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.restore_secret(SecretId="sample")


@pytest.mark.parametrize(
    "wrong",
    [
        {"RecoveryWindowInDays": 6},
        {"RecoveryWindowInDays": 31},
        {"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True},
    ],
)
def test_a_recovery_window_is_from_seven_to_thirty_days(client: Any, wrong: dict[str, Any]) -> None:
    """Other windows, and one together with force, are InvalidParameterException, and the secret lives on."""
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.delete_secret(SecretId="sample", **wrong)
    assert value_of(client, "sample") == "value of sample"


def test_tags_are_added_and_taken_away(client: Any) -> None:
    """Tags of a key replace each other; more than fifty and those of AWS's own are refused."""
    client.tag_resource(SecretId="sample", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    client.tag_resource(SecretId="sample", Tags=[{"Key": "a", "Value": "3"}])
    client.untag_resource(SecretId="sample", TagKeys=["b", "none"])
    assert client.describe_secret(SecretId="sample")["Tags"] == [{"Key": "a", "Value": "3"}]
    for wrong in ([{"Key": "aws:x", "Value": "1"}], [{"Key": str(number), "Value": ""} for number in range(51)]):
        with pytest.raises(client.exceptions.InvalidParameterException):
            client.tag_resource(SecretId="sample", Tags=wrong)


def test_writes_survive_a_kill(aws: SimulatedAws, client: Any) -> None:
    """What was answered with success is there after the node was killed, and what was ended stays away."""
    client.create_secret(Name="kept", SecretString="one")
    client.delete_secret(SecretId="app/database", ForceDeleteWithoutRecovery=True)
    aws.world.run(aws.world.hold(Carrier("node", VAULT), "k", NodeEffect("down")))
    aws.world.run(aws.world.release(Carrier("node", VAULT), "k"))
    assert value_of(client, "kept") == "one"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.get_secret_value(SecretId="app/database")


def test_values_are_not_printed(aws: SimulatedAws, client: Any) -> None:
    """The text form of a stored secret and the node's state have no value."""
    client.create_secret(Name="s", SecretString="hush")
    annex: Any = aws.node(VAULT).annexes["aws"]
    assert "hush" not in repr(annex.find("s"))
    assert "hush" not in str(annex.state())

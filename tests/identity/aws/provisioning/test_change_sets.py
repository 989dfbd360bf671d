"""Change sets as boto3 sees them: what would change, then the change."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, WaiterError

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier

from .conftest import MANAGEMENT, Provisioned
from .test_updates import FIRST, IAM, JOB, SECOND, created, role, roles, status, template, waited


def planned(provisioned: Provisioned, text: str, kind: str = "UPDATE", name: str = "c", **more: Any) -> dict[str, Any]:
    """A change set as it is described once its waiter has come back."""
    client = provisioned.client()
    given = {"StackName": "job", "ChangeSetName": name, "ChangeSetType": kind, "TemplateBody": text, **IAM, **more}
    made = client.create_change_set(**given)
    with mock.patch("botocore.waiter.time.sleep", side_effect=provisioned.aws.sleep):
        client.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"])
    return dict(client.describe_change_set(ChangeSetName=made["Id"], IncludePropertyValues=True))


def changes(described: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = (each["ResourceChange"] for each in described["Changes"])
    return [(each["Action"], each["LogicalResourceId"], each.get("Replacement", "")) for each in found]


def test_a_stack_is_made_by_a_change_set(provisioned: Provisioned) -> None:
    """Until it is executed there is a stack with nothing in it, under review; then it is made as by CreateStack."""
    described = planned(provisioned, template(FIRST), "CREATE", Description="first")
    assert (described["ExecutionStatus"], described["Description"]) == ("AVAILABLE", "first")
    assert changes(described) == [("Add", "JobRole", ""), ("Add", "Job", "")]
    assert (status(provisioned), roles(provisioned)) == ("REVIEW_IN_PROGRESS", [])
    provisioned.aws.sleep(30)
    assert roles(provisioned) == []
    provisioned.client().execute_change_set(StackName="job", ChangeSetName="c")
    waited(provisioned, "stack_create_complete")
    assert len(roles(provisioned)) == 1
    (stack,) = provisioned.client().describe_stacks(StackName="job")["Stacks"]
    assert stack["ChangeSetId"] == described["ChangeSetId"]


def test_a_change_set_says_what_an_update_would_do(provisioned: Provisioned) -> None:
    """In place, by replacement and what follows from one, added and removed; nothing of it is done."""
    created(provisioned, {**FIRST, "Gone": role(), "Other": role()})
    before = roles(provisioned)
    text = template({"JobRole": role(Path="/p/"), "Job": JOB, "Other": role(Description="d"), "New": role()})
    described = planned(provisioned, text)
    found = {each[1]: each for each in changes(described)}
    assert set(found.values()) == {
        ("Modify", "JobRole", "True"),
        ("Modify", "Job", "False"),
        ("Modify", "Other", "False"),
        ("Add", "New", ""),
        ("Remove", "Gone", ""),
    }
    details = {each["ResourceChange"]["LogicalResourceId"]: each["ResourceChange"]["Details"] for each in described["Changes"]}
    (follows,) = details["Job"]
    assert (follows["ChangeSource"], follows["Evaluation"], follows["Target"]["Name"]) == (
        "ResourceAttribute",
        "Dynamic",
        "Role",
    )
    assert follows["Target"]["AfterValue"] == "{{changeSet:KNOWN_AFTER_APPLY}}"
    paths = {each["Target"]["Name"]: each["Target"]["RequiresRecreation"] for each in details["JobRole"]}
    assert paths["Path"] == "Always"
    assert (status(provisioned), roles(provisioned)) == ("CREATE_COMPLETE", before)
    provisioned.client().execute_change_set(ChangeSetName=described["ChangeSetId"])
    waited(provisioned, "stack_update_complete")
    assert len(roles(provisioned)) == 3


def test_a_change_set_without_changes_fails(provisioned: Provisioned) -> None:
    """The waiter gives up at once, the reason is the one that tools look for, and it cannot be executed."""
    created(provisioned)
    with pytest.raises(WaiterError):
        planned(provisioned, template(FIRST))
    client = provisioned.client()
    described = client.describe_change_set(StackName="job", ChangeSetName="c")
    assert "didn't contain changes" in described["StatusReason"]
    with pytest.raises(client.exceptions.InvalidChangeSetStatusException):
        client.execute_change_set(StackName="job", ChangeSetName="c")


def test_of_several_change_sets_one_is_executed(provisioned: Provisioned) -> None:
    """The others are deleted, as by an update; a second execution is refused. A node that was killed knows them all."""
    created(provisioned)
    client = provisioned.client()
    planned(provisioned, template({"JobRole": SECOND}), name="one")
    planned(provisioned, template({"JobRole": role(Description="x")}), name="two")
    world = provisioned.aws.world
    world.run(world.hold(Carrier("node", MANAGEMENT), "k", NodeEffect("down")))
    world.run(world.release(Carrier("node", MANAGEMENT), "k"))
    provisioned.aws.sleep(3)
    assert [each["ChangeSetName"] for each in client.list_change_sets(StackName="job")["Summaries"]] == ["one", "two"]
    client.execute_change_set(StackName="job", ChangeSetName="two")
    waited(provisioned, "stack_update_complete")
    (left,) = client.list_change_sets(StackName="job")["Summaries"]
    assert (left["ChangeSetName"], left["ExecutionStatus"]) == ("two", "EXECUTE_COMPLETE")
    with pytest.raises(client.exceptions.InvalidChangeSetStatusException):
        client.execute_change_set(StackName="job", ChangeSetName="two")
    client.update_stack(StackName="job", TemplateBody=template({"JobRole": SECOND}), **IAM)
    waited(provisioned, "stack_update_complete")
    assert client.list_change_sets(StackName="job")["Summaries"] == []


def test_wrong_calls_are_refused(provisioned: Provisioned) -> None:
    """Each with the code and words of the real service."""
    client = provisioned.client()
    text = template(FIRST)
    with pytest.raises(ClientError, match=r"Stack \[job\] does not exist"):
        planned(provisioned, text)
    planned(provisioned, text, "CREATE")
    with pytest.raises(client.exceptions.AlreadyExistsException):
        planned(provisioned, text, "CREATE")
    with pytest.raises(ClientError, match="is in REVIEW_IN_PROGRESS state and can not be updated"):
        planned(provisioned, text, name="d")
    with pytest.raises(client.exceptions.ChangeSetNotFoundException):
        client.describe_change_set(StackName="job", ChangeSetName="none")
    with pytest.raises(ClientError, match="StackName must be specified if ChangeSetName is not"):
        client.describe_change_set(ChangeSetName="c")
    client.delete_change_set(StackName="job", ChangeSetName="none")
    assert client.get_template(StackName="job", ChangeSetName="c")["TemplateBody"]["Resources"] == FIRST
    client.delete_change_set(StackName="job", ChangeSetName="c")
    client.delete_stack(StackName="job")
    waited(provisioned, "stack_delete_complete")
    created(provisioned)
    with pytest.raises(ClientError, match="already exists and cannot be created again"):
        planned(provisioned, text, "CREATE")
    with pytest.raises(ClientError, match="import resources are not supported"):
        planned(provisioned, text, "IMPORT")

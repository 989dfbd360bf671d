"""Templates in YAML are the templates in JSON that they stand for, and real clients make stacks of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.identity.aws.provisioning.yaml_template import NotYaml, read_yaml

from .conftest import Provisioned

TEMPLATE = """
# a function with a role of its own
AWSTemplateFormatVersion: 2010-09-09
Description: a function with a role of its own
Parameters:
  Team: {Type: String, Default: blue}
Resources:
  Job:
    Type: AWS::Lambda::Function
    Properties:
      Role: !GetAtt JobRole.Arn
  JobRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: !Sub "${AWS::StackName}-own"
          PolicyDocument:
            Version: 2012-10-17
            Statement: {Effect: Allow, Action: "s3:Get*", Resource: !Join ["", ["arn:aws:s3:::", !Ref Team, "/*"]]}
      Tags:
        - {Key: team, Value: !Ref Team}
Outputs:
  RoleArn:
    Value: !GetAtt [JobRole, Arn]
"""


def test_short_forms_are_the_functions_that_they_stand_for() -> None:
    """Each with a scalar, a list or an object; a date stays a text."""
    text = """
    a: !Ref X
    b: !GetAtt A.Arn
    c: !GetAtt [A, Arn]
    d: !Sub ["${x}", {x: !Ref Y}]
    e: !Join [",", [1, !Ref Z]]
    f: !Condition IsThere
    g: !If [IsThere, {h: 1}, !Ref "AWS::NoValue"]
    version: 2012-10-17
    """
    assert read_yaml(text) == {
        "a": {"Ref": "X"},
        "b": {"Fn::GetAtt": "A.Arn"},
        "c": {"Fn::GetAtt": ["A", "Arn"]},
        "d": {"Fn::Sub": ["${x}", {"x": {"Ref": "Y"}}]},
        "e": {"Fn::Join": [",", [1, {"Ref": "Z"}]]},
        "f": {"Condition": "IsThere"},
        "g": {"Fn::If": ["IsThere", {"h": 1}, {"Ref": "AWS::NoValue"}]},
        "version": "2012-10-17",
    }


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1,", "(line 1, column 7)"),
        ("a: 1\na: 2", "(line 2, column 1)"),
        ("a: &x {b: 1}\nc: *x", "(line 2, column 4)"),
        ("a:\n  <<: {b: 1}", "(line 2, column 3)"),
        ("[a]: 1", "(line 1, column 1)"),
        ("a: !!python/object:os.system {}", "(line 1, column 4)"),
        ("a: \x00", ""),
        ("[" * 5000, ""),
    ],
    ids=str,
)
def test_what_is_no_yaml_of_a_template_is_refused(text: str, place: str) -> None:
    """With line and column where there are some; nothing is ever constructed but plain values."""
    with pytest.raises(NotYaml) as refused:
        read_yaml(text)
    assert str(refused.value) == place


def test_a_stack_is_made_of_yaml(provisioned: Provisioned) -> None:
    """With its role's policy, tags and outputs; the text is given back as it was given."""
    client, iam = provisioned.client(), provisioned.client("iam")
    client.create_stack(StackName="job", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM"])
    stack = provisioned.settled("job")
    assert stack["StackStatus"] == "CREATE_COMPLETE", provisioned.reasons("job")
    name = stack["Outputs"][0]["OutputValue"].rpartition("/")[2]
    assert iam.get_role(RoleName=name)["Role"]["Tags"] == [{"Key": "team", "Value": "blue"}]
    document = iam.get_role_policy(RoleName=name, PolicyName="job-own")["PolicyDocument"]
    assert document["Version"] == "2012-10-17"
    assert document["Statement"]["Resource"] == "arn:aws:s3:::blue/*"
    assert client.get_template(StackName="job")["TemplateBody"] == TEMPLATE
    summaries = client.list_stack_resources(StackName="job")["StackResourceSummaries"]
    assert {each["LogicalResourceId"]: each["ResourceStatus"] for each in summaries} == dict.fromkeys(
        ("Job", "JobRole"), "CREATE_COMPLETE"
    )
    detail = client.describe_stack_resource(StackName="job", LogicalResourceId="JobRole")["StackResourceDetail"]
    assert detail["PhysicalResourceId"] == name
    with pytest.raises(ClientError, match="Resource None does not exist for stack job"):
        client.describe_stack_resource(StackName="job", LogicalResourceId="None")


def test_a_template_is_validated_before_it_is_used(provisioned: Provisioned) -> None:
    """What it needs and takes; a stack's resources with names of their own need the stronger capability."""
    client = provisioned.client()
    found = client.validate_template(TemplateBody=TEMPLATE)
    assert found["Parameters"] == [{"ParameterKey": "Team", "DefaultValue": "blue"}]
    assert (found["Capabilities"], found["Description"]) == (["CAPABILITY_IAM"], "a function with a role of its own")
    named = TEMPLATE.replace("      Tags:", "      RoleName: mine\n      Tags:")
    assert client.validate_template(TemplateBody=named)["Capabilities"] == ["CAPABILITY_NAMED_IAM"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Resources: [", r"Template format error: YAML not well-formed\. \(line 1, column 13\)"),
        ("just words", r"Template format error: unsupported structure\."),
        ("{", r"Template format error: JSON not well-formed\. \(line 1, column 2\)"),
        ("Description: nothing", "At least one Resources member must be defined"),
        ("Resources: {A: {Type: AWS::S3::Bucket}}", r"Unrecognized resource types: \[AWS::S3::Bucket\]"),
        (TEMPLATE.replace("!Ref Team", "!Ref Nobody", 1), r"Unresolved resource dependencies \[Nobody\]"),
    ],
)
def test_templates_are_refused_in_the_service_s_words(provisioned: Provisioned, text: str, message: str) -> None:
    """ValidationError, whether a template is validated or used."""
    client: Any = provisioned.client()
    for call in (
        lambda: client.validate_template(TemplateBody=text),
        lambda: client.create_stack(StackName="job", TemplateBody=text, Capabilities=["CAPABILITY_IAM"]),
    ):
        with pytest.raises(ClientError, match=message) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == "ValidationError"


def test_yaml_and_json_of_one_template_are_one(provisioned: Provisioned) -> None:
    """The JSON text of what was read makes the same stack."""
    text = json.dumps(read_yaml(TEMPLATE))
    provisioned.client().create_stack(StackName="same", TemplateBody=text, Capabilities=["CAPABILITY_IAM"])
    assert provisioned.settled("same")["StackStatus"] == "CREATE_COMPLETE"

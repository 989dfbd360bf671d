"""Services that a policy allows something of, whatever its resources and conditions say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

# Names that IAM shows for the services that policies name most.
SERVICE_NAMES: Mapping[str, str] = {
    "autoscaling": "Amazon EC2 Auto Scaling",
    "cloudformation": "AWS CloudFormation",
    "cloudtrail": "AWS CloudTrail",
    "cloudwatch": "Amazon CloudWatch",
    "dynamodb": "Amazon DynamoDB",
    "ec2": "Amazon EC2",
    "ecs": "Amazon Elastic Container Service",
    "eks": "Amazon Elastic Kubernetes Service",
    "iam": "AWS Identity and Access Management",
    "kms": "AWS Key Management Service",
    "lambda": "AWS Lambda",
    "logs": "Amazon CloudWatch Logs",
    "organizations": "AWS Organizations",
    "rds": "Amazon RDS",
    "route53": "Amazon Route 53",
    "s3": "Amazon S3",
    "secretsmanager": "AWS Secrets Manager",
    "sns": "Amazon SNS",
    "sqs": "Amazon SQS",
    "ssm": "AWS Systems Manager",
    "sts": "AWS Security Token Service",
}


@lru_cache(maxsize=1024)
def granted_services(document: str) -> frozenset[str]:
    """The namespaces (`s3`) of which the policy allows an action: those it names, and those above that its wildcards match."""
    statements = _listed(json.loads(document)["Statement"])
    return frozenset(namespace for statement in statements for namespace in _granted(statement))


def _granted(statement: Mapping[str, Any]) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    if "NotAction" in statement:
        excluded = [action.lower() for action in _listed(statement["NotAction"])]
        yield from (name for name in SERVICE_NAMES if not {"*", f"{name}:*"} & set(excluded))
        return
    for action in _listed(statement["Action"]):
        pattern = action.lower().partition(":")[0]
        if "*" in pattern or "?" in pattern:
            yield from (name for name in SERVICE_NAMES if fnmatchcase(name, pattern))
        else:
            yield pattern


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

"""Names of AWS's resources (ARNs): `arn:aws:iam::123456789012:user/team/alice`.

An ARN of IAM has no region, for IAM's names are those of the whole account. A path such as `/team/` is part of the ARN of a
user or role, but not of the ARN of an assumed role (docs/reference/aws-wire.md#arns).
"""

from __future__ import annotations

from dataclasses import dataclass

PARTITION = "aws"


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN taken apart. `resource` is all that follows the account, colons included."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """The ARN in `text`; raises ValueError for anything else."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            raise ValueError(f"{text!r} is not an ARN")
        return cls(*parts[1:])

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @property
    def kind(self) -> str:
        """The first word of the resource: `user`, `role`, `root`, ..."""
        return self.resource.partition("/")[0].partition(":")[0]

    @property
    def name(self) -> str:
        """The last word of the resource, which is the name of a user, role, group or policy."""
        return self.resource.rpartition("/")[2]

    @property
    def path(self) -> str:
        """What stands between the kind and the name, as IAM writes paths: `/` or `/team/`."""
        words = self.resource.split("/")
        return "/".join(("", *words[1:-1], ""))


def iam(account: str, resource: str) -> str:
    """The ARN of a resource of IAM."""
    return f"arn:{PARTITION}:iam::{account}:{resource}"


def root(account: str) -> str:
    return iam(account, "root")


def user(account: str, path: str, name: str) -> str:
    return iam(account, f"user{path}{name}")


def group(account: str, path: str, name: str) -> str:
    return iam(account, f"group{path}{name}")


def role(account: str, path: str, name: str) -> str:
    return iam(account, f"role{path}{name}")


def policy(account: str, path: str, name: str) -> str:
    """The ARN of a managed policy; `account` is `aws` for those of AWS."""
    return iam(account, f"policy{path}{name}")


def instance_profile(account: str, path: str, name: str) -> str:
    return iam(account, f"instance-profile{path}{name}")


def mfa_device(account: str, path: str, name: str) -> str:
    """The serial number of a virtual MFA device."""
    return iam(account, f"mfa{path}{name}")


def security_key(account: str, user_name: str, name: str) -> str:
    """The serial number of a security key."""
    return iam(account, f"u2f/user/{user_name}/{name}")


def server_certificate(account: str, path: str, name: str) -> str:
    return iam(account, f"server-certificate{path}{name}")


def oidc_provider(account: str, url: str) -> str:
    """The ARN of an OpenID Connect provider; `url` with or without its `https://`."""
    return iam(account, f"oidc-provider/{url.removeprefix('https://')}")


def saml_provider(account: str, name: str) -> str:
    return iam(account, f"saml-provider/{name}")


def assumed_role(account: str, role_name: str, session_name: str) -> str:
    """The ARN of who has assumed a role; the role's path is no part of it."""
    return f"arn:{PARTITION}:sts::{account}:assumed-role/{role_name}/{session_name}"


def federated_user(account: str, name: str) -> str:
    return f"arn:{PARTITION}:sts::{account}:federated-user/{name}"

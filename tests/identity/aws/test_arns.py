"""ARNs are taken apart and put together as AWS writes them."""

from __future__ import annotations

import pytest

from brownout.identity.aws import arns
from brownout.identity.aws.arns import Arn

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("made", "written", "kind", "path", "name"),
    [
        (arns.user(ACCOUNT, "/", "bob"), "arn:aws:iam::123456789012:user/bob", "user", "/", "bob"),
        (arns.role(ACCOUNT, "/a/b/", "r"), "arn:aws:iam::123456789012:role/a/b/r", "role", "/a/b/", "r"),
        (arns.policy("aws", "/", "Admin"), "arn:aws:iam::aws:policy/Admin", "policy", "/", "Admin"),
        (arns.group(ACCOUNT, "/", "g"), "arn:aws:iam::123456789012:group/g", "group", "/", "g"),
        (arns.mfa_device(ACCOUNT, "/", "m"), "arn:aws:iam::123456789012:mfa/m", "mfa", "/", "m"),
    ],
)
def test_names_of_iam(made: str, written: str, kind: str, path: str, name: str) -> None:
    """An ARN is written as AWS writes it, and kind, path and name are found in it again."""
    assert made == written
    parsed = Arn.parse(made)
    assert (parsed.kind, parsed.path, parsed.name) == (kind, path, name)
    assert str(parsed) == made


def test_other_names() -> None:
    """The other resources' ARNs are those of the real service; an assumed role has no path."""
    assert arns.root(ACCOUNT) == "arn:aws:iam::123456789012:root"
    assert Arn.parse(arns.root(ACCOUNT)).kind == "root"
    assert arns.assumed_role(ACCOUNT, "r", "s") == "arn:aws:sts::123456789012:assumed-role/r/s"
    assert arns.federated_user(ACCOUNT, "f") == "arn:aws:sts::123456789012:federated-user/f"
    assert arns.instance_profile(ACCOUNT, "/", "p").endswith(":instance-profile/p")
    assert arns.server_certificate(ACCOUNT, "/", "c").endswith(":server-certificate/c")
    assert arns.oidc_provider(ACCOUNT, "https://id.example/x/") == "arn:aws:iam::123456789012:oidc-provider/id.example/x/"
    assert arns.saml_provider(ACCOUNT, "idp").endswith(":saml-provider/idp")


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:iam::1", "arn:aws:iam::1:", "urn:aws:iam::1:user/x", "arn::iam::1:x"])
def test_what_is_no_arn_is_refused(text: str) -> None:
    """A text without the six parts of an ARN is none."""
    with pytest.raises(ValueError, match="is not an ARN"):
        Arn.parse(text)


def test_colons_belong_to_the_resource() -> None:
    """All that follows the account is the resource."""
    parsed = Arn.parse("arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:name-AbCdEf")
    assert (parsed.service, parsed.region, parsed.resource) == ("secretsmanager", "ap-southeast-2", "secret:name-AbCdEf")
    assert parsed.kind == "secret"

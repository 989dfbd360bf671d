"""What people and machines of an account have beside roles, made, read back and ended with boto3 on a whole stack.

Groups and their policies, passwords and their rules, devices, certificates, keys for SSH, credentials for single services, and
what the account tells of all of it. At the end the account is given back as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from brownout.identity.aws.auth.totp import code_of, period_of, seed_bytes
from brownout.identity.core.messages import Request
from support.certificates import NOT_AFTER, certificate_and_key, rsa_public_key
from support.iam_account import EC2_TRUST, allow
from support.iam_clients import DIRECTORY, IamStack, iam_stack
from support.saml_documents import metadata
from support.simulated_aws import refusal

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
BLUE = [{"Key": "team", "Value": "blue"}]


@pytest.fixture(scope="module")
def stack() -> Iterator[IamStack]:
    """One stack for all stories; each uses names of its own."""
    with iam_stack() as stack:
        yield stack


@pytest.fixture
def iam(stack: IamStack) -> Any:
    return stack.iam()


def test_a_member_may_do_what_the_group_may(stack: IamStack, iam: Any) -> None:
    """Once regions know of it, in and out again; a group that holds something is not deleted."""
    iam.create_user(UserName="ann")
    iam.create_access_key(UserName="ann")
    iam.create_group(GroupName="readers", Path="/staff/")
    iam.put_group_policy(GroupName="readers", PolicyName="users", PolicyDocument=allow("iam:ListUsers"))
    iam.attach_group_policy(GroupName="readers", PolicyArn=READ_ONLY)
    ann = stack.iam(user="ann")
    stack.sleep(3)
    assert refusal(ann.list_users).code == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    stack.sleep(3)
    assert "ann" in {user["UserName"] for user in ann.list_users()["Users"]}

    assert [user["UserName"] for user in iam.get_group(GroupName="readers")["Users"]] == ["ann"]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName="ann")["Groups"]] == ["readers"]
    assert [group["GroupName"] for group in iam.list_groups(PathPrefix="/staff/")["Groups"]] == ["readers"]
    assert iam.list_group_policies(GroupName="readers")["PolicyNames"] == ["users"]
    (statement,) = iam.get_group_policy(GroupName="readers", PolicyName="users")["PolicyDocument"]["Statement"]
    assert statement["Action"] == ["iam:ListUsers"]
    (attached,) = iam.list_attached_group_policies(GroupName="readers")["AttachedPolicies"]
    assert attached["PolicyArn"] == READ_ONLY
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_group(GroupName="readers")

    iam.remove_user_from_group(GroupName="readers", UserName="ann")
    stack.sleep(3)
    assert refusal(ann.list_users).code == "AccessDenied"
    iam.detach_group_policy(GroupName="readers", PolicyArn=READ_ONLY)
    iam.delete_group_policy(GroupName="readers", PolicyName="users")
    iam.update_group(GroupName="readers", NewGroupName="gone")
    iam.delete_group(GroupName="gone")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_group(GroupName="gone")


def test_a_password_keeps_the_account_s_rules(stack: IamStack, iam: Any) -> None:
    """A policy of passwords is set, obeyed by who changes a password, and taken away."""
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_account_password_policy()
    rules = {"MinimumPasswordLength": 20, "AllowUsersToChangePassword": True}
    iam.update_account_password_policy(**rules)
    assert rules.items() <= iam.get_account_password_policy()["PasswordPolicy"].items()
    iam.create_user(UserName="pat")
    iam.create_access_key(UserName="pat")
    with pytest.raises(iam.exceptions.PasswordPolicyViolationException):
        iam.create_login_profile(UserName="pat", Password="Short-one-7")
    iam.create_login_profile(UserName="pat", Password="Correct-horse-battery-7", PasswordResetRequired=True)
    assert iam.get_login_profile(UserName="pat")["LoginProfile"]["PasswordResetRequired"]
    iam.put_user_policy(UserName="pat", PolicyName="own", PolicyDocument=allow("iam:ChangePassword"))
    stack.sleep(3)
    pat, new = stack.iam(user="pat"), "Correct-horse-battery-8"
    wrong = refusal(pat.change_password, OldPassword="wrong", NewPassword=new)
    assert (wrong.code, wrong.message) == ("AccessDenied", "The old password was incorrect.")
    pat.change_password(OldPassword="Correct-horse-battery-7", NewPassword=new)
    assert not iam.get_login_profile(UserName="pat")["LoginProfile"]["PasswordResetRequired"]
    iam.delete_login_profile(UserName="pat")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_login_profile(UserName="pat")
    iam.delete_account_password_policy()
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_account_password_policy()


def test_a_virtual_device_is_listed_resynchronised_and_given_back(stack: IamStack, iam: Any) -> None:
    """With its tags, and as its user's for as long as it is enabled."""
    iam.create_user(UserName="mia")
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="mia", Tags=BLUE)["VirtualMFADevice"]
    assert made["QRCodePNG"].startswith(b"\x89PNG")
    named, seed = {"SerialNumber": made["SerialNumber"]}, seed_bytes(made["Base32StringSeed"].decode())

    def codes() -> dict[str, str]:
        now = period_of(stack.now_s)
        return {"AuthenticationCode1": code_of(seed, now - 1), "AuthenticationCode2": code_of(seed, now)}

    wrong = {"AuthenticationCode1": "000000", "AuthenticationCode2": "000000"}
    with pytest.raises(iam.exceptions.InvalidAuthenticationCodeException):
        iam.enable_mfa_device(UserName="mia", **named, **wrong)
    iam.enable_mfa_device(UserName="mia", **named, **codes())
    assert [each["SerialNumber"] for each in iam.list_mfa_devices(UserName="mia")["MFADevices"]] == [made["SerialNumber"]]
    assigned = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert [each["User"]["UserName"] for each in assigned] == ["mia"]
    stack.sleep(60)
    iam.resync_mfa_device(UserName="mia", **named, **codes())
    assert iam.get_mfa_device(**named)["UserName"] == "mia"
    iam.tag_mfa_device(**named, Tags=[{"Key": "team", "Value": "green"}])
    iam.untag_mfa_device(**named, TagKeys=["none"])
    assert iam.list_mfa_device_tags(**named)["Tags"] == [{"Key": "team", "Value": "green"}]
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_virtual_mfa_device(**named)
    iam.deactivate_mfa_device(UserName="mia", **named)
    iam.delete_virtual_mfa_device(**named)
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []


def test_server_certificates_come_and_go(iam: Any) -> None:
    """Uploaded, found without the private key, listed, renamed, tagged, deleted; what is none has the model's exceptions."""
    body, key = certificate_and_key("server")
    upload = {"ServerCertificateName": "web", "CertificateBody": body, "PrivateKey": key}
    made = iam.upload_server_certificate(**upload, Path="/tls/", Tags=BLUE)["ServerCertificateMetadata"]
    assert made["Expiration"] == NOT_AFTER
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.upload_server_certificate(**upload)
    with pytest.raises(iam.exceptions.MalformedCertificateException):
        iam.upload_server_certificate(**{**upload, "ServerCertificateName": "no", "CertificateBody": "no"})
    other = certificate_and_key("other")[1]
    with pytest.raises(iam.exceptions.KeyPairMismatchException):
        iam.upload_server_certificate(**{**upload, "ServerCertificateName": "no", "PrivateKey": other})
    found = iam.get_server_certificate(ServerCertificateName="web")["ServerCertificate"]
    assert (found["ServerCertificateMetadata"], found["CertificateBody"].strip()) == (made, body.strip())
    assert key.splitlines()[1] not in str(found)
    iam.update_server_certificate(ServerCertificateName="web", NewServerCertificateName="edge")
    (listed,) = iam.list_server_certificates(PathPrefix="/tls/")["ServerCertificateMetadataList"]
    assert listed["Arn"].endswith(":server-certificate/tls/edge")
    iam.tag_server_certificate(ServerCertificateName="edge", Tags=[{"Key": "more", "Value": ""}])
    iam.untag_server_certificate(ServerCertificateName="edge", TagKeys=["team"])
    assert iam.list_server_certificate_tags(ServerCertificateName="edge")["Tags"] == [{"Key": "more", "Value": ""}]
    iam.delete_server_certificate(ServerCertificateName="edge")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_server_certificate(ServerCertificateName="edge")


def test_signing_certificates_and_ssh_keys_are_a_user_s(iam: Any) -> None:
    """Uploaded, listed, switched off and deleted; the user is not deleted before they are; what is none is refused."""
    iam.create_user(UserName="sam")
    body = certificate_and_key("signing")[0]
    certificate = iam.upload_signing_certificate(UserName="sam", CertificateBody=body)["Certificate"]["CertificateId"]
    with pytest.raises(iam.exceptions.DuplicateCertificateException):
        iam.upload_signing_certificate(UserName="sam", CertificateBody=body)
    with pytest.raises(iam.exceptions.MalformedCertificateException):
        iam.upload_signing_certificate(UserName="sam", CertificateBody="no")
    iam.update_signing_certificate(UserName="sam", CertificateId=certificate, Status="Inactive")
    (listed,) = iam.list_signing_certificates(UserName="sam")["Certificates"]
    assert (listed["CertificateId"], listed["Status"]) == (certificate, "Inactive")

    ssh, pem = rsa_public_key("sam")
    key = iam.upload_ssh_public_key(UserName="sam", SSHPublicKeyBody=ssh)["SSHPublicKey"]["SSHPublicKeyId"]
    with pytest.raises(iam.exceptions.DuplicateSSHPublicKeyException):
        iam.upload_ssh_public_key(UserName="sam", SSHPublicKeyBody=pem)
    with pytest.raises(iam.exceptions.InvalidPublicKeyException):
        iam.upload_ssh_public_key(UserName="sam", SSHPublicKeyBody="ssh-rsa AAAA")
    shown = iam.get_ssh_public_key(UserName="sam", SSHPublicKeyId=key, Encoding="PEM")["SSHPublicKey"]
    assert shown["SSHPublicKeyBody"].strip() == pem.strip()
    iam.update_ssh_public_key(UserName="sam", SSHPublicKeyId=key, Status="Inactive")
    (held,) = iam.list_ssh_public_keys(UserName="sam")["SSHPublicKeys"]
    assert (held["SSHPublicKeyId"], held["Status"]) == (key, "Inactive")

    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_user(UserName="sam")
    iam.delete_signing_certificate(UserName="sam", CertificateId=certificate)
    iam.delete_ssh_public_key(UserName="sam", SSHPublicKeyId=key)
    iam.delete_user(UserName="sam")


def test_credentials_of_single_services_are_reset(iam: Any) -> None:
    """The password is told when it is made and when it is reset, and by no list."""
    iam.create_user(UserName="cy")
    asked = {"UserName": "cy", "ServiceName": "codecommit.amazonaws.com"}
    made = iam.create_service_specific_credential(**asked)["ServiceSpecificCredential"]
    named = {"UserName": "cy", "ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"]}
    reset = iam.reset_service_specific_credential(**named)["ServiceSpecificCredential"]
    assert reset["ServicePassword"] != made["ServicePassword"]
    iam.update_service_specific_credential(**named, Status="Inactive")
    (listed,) = iam.list_service_specific_credentials(**asked)["ServiceSpecificCredentials"]
    assert (listed["Status"], "ServicePassword" in listed) == ("Inactive", False)
    iam.delete_service_specific_credential(**named)
    assert iam.list_service_specific_credentials(**asked)["ServiceSpecificCredentials"] == []
    with pytest.raises(iam.exceptions.ServiceNotSupportedException):
        iam.create_service_specific_credential(UserName="cy", ServiceName="s3.amazonaws.com")


def test_the_account_tells_of_itself(iam: Any) -> None:
    """Alias, summary and details follow what is made."""
    before = iam.get_account_summary()["SummaryMap"]
    iam.create_account_alias(AccountAlias="story")
    assert iam.list_account_aliases()["AccountAliases"] == ["story"]
    iam.create_user(UserName="dee", Path="/told/")
    iam.create_group(GroupName="told")
    iam.add_user_to_group(GroupName="told", UserName="dee")
    iam.put_user_policy(UserName="dee", PolicyName="inline", PolicyDocument=allow("s3:Get*"))
    after = iam.get_account_summary()["SummaryMap"]
    assert {name: after[name] - before[name] for name in ("Users", "Groups", "Roles")} == {"Users": 1, "Groups": 1, "Roles": 0}
    details = iam.get_account_authorization_details(Filter=["User"])
    (dee,) = (user for user in details["UserDetailList"] if user["UserName"] == "dee")
    assert (dee["GroupList"], details["RoleDetailList"], details["GroupDetailList"]) == (["told"], [], [])
    (policy,) = dee["UserPolicyList"]
    assert policy["PolicyDocument"]["Statement"][0]["Action"] == ["s3:Get*"]
    iam.delete_account_alias(AccountAlias="story")
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_the_last_use_of_services_is_told(stack: IamStack, iam: Any) -> None:
    """A job tells which of the services that a user may call were used, and which policies grant them."""
    arn = iam.get_user(UserName="admin")["User"]["Arn"]
    stack.sleep(61)
    job = iam.generate_service_last_accessed_details(Arn=arn)["JobId"]
    found = iam.get_service_last_accessed_details(JobId=job)
    assert found["JobStatus"] == "COMPLETED"
    (used,) = (each for each in found["ServicesLastAccessed"] if each["ServiceNamespace"] == "iam")
    assert used["LastAuthenticatedEntity"] == arn
    entities = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="iam")
    assert [each["EntityInfo"]["Arn"] for each in entities["EntityDetailsList"]] == [arn]
    granting = iam.list_policies_granting_service_access(Arn=arn, ServiceNamespaces=["iam"])["PoliciesGrantingServiceAccess"]
    assert [each["PolicyName"] for each in granting[0]["Policies"]]


def test_context_keys_of_policies_are_named(iam: Any) -> None:
    """Those that a document needs, and those that a principal's policies need."""
    document = allow("s3:Get*", resource="arn:aws:s3:::${aws:PrincipalTag/team}/*")
    keys = ["aws:PrincipalTag/team"]
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[document])["ContextKeyNames"] == keys
    user = iam.create_user(UserName="kim")["User"]["Arn"]
    iam.put_user_policy(UserName="kim", PolicyName="inline", PolicyDocument=document)
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=user)["ContextKeyNames"] == keys


def test_a_boundary_bounds_a_role_until_it_is_removed(iam: Any) -> None:
    """A simulation of the role's permissions says so; the role shows its boundary."""
    role = iam.create_role(RoleName="bounded", AssumeRolePolicyDocument=EC2_TRUST)["Role"]
    iam.put_role_policy(RoleName="bounded", PolicyName="all", PolicyDocument=allow("*"))
    call = {"PolicySourceArn": role["Arn"], "ActionNames": ["s3:PutObject"]}

    def decision() -> str:
        return str(iam.simulate_principal_policy(**call)["EvaluationResults"][0]["EvalDecision"])

    assert decision() == "allowed"
    iam.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=READ_ONLY)
    assert iam.get_role(RoleName="bounded")["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == READ_ONLY
    assert decision() == "implicitDeny"
    iam.delete_role_permissions_boundary(RoleName="bounded")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="bounded")["Role"]
    assert decision() == "allowed"
    assert iam.update_role_description(RoleName="bounded", Description="free")["Role"]["Description"] == "free"


def test_tags_are_taken_off_again(iam: Any) -> None:
    """Of each kind of thing, by key; the other tags stay."""
    iam.create_user(UserName="tag")
    iam.create_role(RoleName="tag", AssumeRolePolicyDocument=EC2_TRUST)
    iam.create_instance_profile(InstanceProfileName="tag")
    policy = {"PolicyArn": iam.create_policy(PolicyName="tag", PolicyDocument=allow("s3:*"))["Policy"]["Arn"]}
    oidc = iam.create_open_id_connect_provider(Url="https://tag.example.com")["OpenIDConnectProviderArn"]
    saml = iam.create_saml_provider(Name="tag", SAMLMetadataDocument=metadata())["SAMLProviderArn"]
    for kind, named in (
        ("user", {"UserName": "tag"}),
        ("role", {"RoleName": "tag"}),
        ("instance_profile", {"InstanceProfileName": "tag"}),
        ("policy", policy),
        ("open_id_connect_provider", {"OpenIDConnectProviderArn": oidc}),
        ("saml_provider", {"SAMLProviderArn": saml}),
    ):
        getattr(iam, f"tag_{kind}")(**named, Tags=[*BLUE, {"Key": "stays", "Value": ""}])
        getattr(iam, f"untag_{kind}")(**named, TagKeys=["team", "none"])
        assert getattr(iam, f"list_{kind}_tags")(**named)["Tags"] == [{"Key": "stays", "Value": ""}], kind


def test_policies_of_a_user_are_detached(iam: Any) -> None:
    """Listed while they are attached; what is not attached cannot be detached."""
    iam.create_user(UserName="det")
    named = {"UserName": "det", "PolicyArn": READ_ONLY}
    iam.attach_user_policy(**named)
    (attached,) = iam.list_attached_user_policies(UserName="det")["AttachedPolicies"]
    assert attached["PolicyArn"] == READ_ONLY
    iam.detach_user_policy(**named)
    assert iam.list_attached_user_policies(UserName="det")["AttachedPolicies"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.detach_user_policy(**named)


def test_what_the_account_may_switch_is_switched(iam: Any) -> None:
    """Outbound federation, and tokens of the global name; what takes an organization is refused with the model's exception."""
    with pytest.raises(iam.exceptions.FeatureDisabledException):
        iam.get_outbound_web_identity_federation_info()
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert iam.get_outbound_web_identity_federation_info()["IssuerIdentifier"] == issuer
    iam.disable_outbound_web_identity_federation()
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    assert iam.get_account_summary()["SummaryMap"]["GlobalEndpointTokenVersion"] == 2
    for operation in (
        iam.list_organizations_features,
        iam.enable_organizations_root_credentials_management,
        iam.disable_organizations_root_credentials_management,
        iam.enable_organizations_root_sessions,
        iam.disable_organizations_root_sessions,
    ):
        with pytest.raises(iam.exceptions.OrganizationNotFoundException):
            operation()


def test_a_reset_by_a_control_request_gives_the_account_back() -> None:
    """What was made is gone everywhere, and clients go on with the keys that they have. It needs the control token."""
    with iam_stack() as stack:
        iam, caller = stack.iam(), stack.client("sts", stack.credentials("caller"), "melbourne.token.z3")
        iam.create_user(UserName="bob")
        iam.delete_user_policy(UserName="caller", PolicyName="calls")
        stack.sleep(3)
        stranger = Request("POST", f"{stack.world.spec.control_path}/admin/aws/reset")
        assert stack.world.run(stack.node(DIRECTORY).handle(stranger)).status == 401
        assert "bob" in {user["UserName"] for user in iam.list_users()["Users"]}
        assert refusal(caller.get_access_key_info, AccessKeyId="AKIAIOSFODNN7EXAMPLE").code == "AccessDenied"
        assert stack.control(DIRECTORY, "POST", "/aws/reset").ok
        assert {user["UserName"] for user in iam.list_users()["Users"]} == {"admin", "caller"}
        assert iam.list_user_policies(UserName="caller")["PolicyNames"] == ["calls"]
        caller.get_access_key_info(AccessKeyId="AKIAIOSFODNN7EXAMPLE")

"""GetAccountSummary counts what there is."""

from __future__ import annotations

from support.iam_account import EC2_TRUST, IamAccount


def test_the_summary_counts() -> None:
    """Counts follow what is made; quotas are those that the operations keep."""
    iam = IamAccount()
    before = iam("GetAccountSummary")["SummaryMap"]
    assert (before["Users"], before["UsersQuota"], before["AccessKeysPerUserQuota"]) == (0, 5000, 2)
    iam("CreateUser", UserName="a")
    iam("CreateGroup", GroupName="g")
    iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=EC2_TRUST)
    iam("CreateVirtualMFADevice", VirtualMFADeviceName="m")
    iam("CreateAccessKey")
    after = iam("GetAccountSummary")["SummaryMap"]
    counted = ("Users", "Groups", "Roles", "MFADevices", "MFADevicesInUse", "AccountAccessKeysPresent")
    assert [after[name] for name in counted] == [1, 1, 1, 1, 0, 1]

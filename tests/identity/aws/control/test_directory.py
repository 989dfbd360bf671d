"""IAM's control plane on the directory: calls of front ends, switches and control requests."""

from __future__ import annotations

from typing import Any

from support.aws_directories import AwsStack, on_aws_stack


def test_a_user_is_made_and_found() -> None:
    """What CreateUser returns is what GetUser finds, and nobody has the name afterwards but that user."""

    async def story(stack: AwsStack) -> tuple[Any, Any, Any]:
        made = await stack.call("CreateUser", UserName="Bob", Path="/team/")
        found = await stack.call("GetUser", UserName="bob")
        return made["User"], found["User"], await stack.refused("CreateUser", UserName="BOB")

    made, found, refused = on_aws_stack(story)
    assert made == found
    assert made["Arn"].endswith(":user/team/Bob")
    assert (refused.code, refused.status) == ("EntityAlreadyExists", 409)
    assert refused.message == "User with name BOB already exists."

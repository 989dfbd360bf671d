"""What the account sent to notification channels: trade-in tokens of delegation requests, for who stands for a partner."""

from __future__ import annotations

from brownout.identity.aws.auth.trade_in import mark_of
from brownout.identity.aws.control.account import AccountState
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.records.delegation import DelegationRequest


def sent_tokens(state: AccountState, channel: str) -> list[dict[str, str | float]]:
    """Those that a channel (an SNS topic's ARN, "" for all) was sent, oldest first."""
    found = []
    for request in state.tables.table(DelegationRequest).values():
        secret = state.tables.table(Secret).get(mark_of(request.request_id))
        if secret is not None and channel in ("", request.channel):
            found.append((request.updated_s, request, secret.value))
    return [
        {
            "channel": request.channel,
            "delegation_request_id": request.request_id,
            "workflow_id": request.workflow_id,
            "sent_s": sent_s,
            "trade_in_token": token,
        }
        for sent_s, request, token in sorted(found, key=lambda each: each[0])
    ]

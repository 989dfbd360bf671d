"""The error envelope that ARM, Key Vault and most of Azure's services share, and how they write times."""

from __future__ import annotations

from datetime import UTC, datetime

from brownout.identity.core.messages import Response


def error(status: int, code: str, message: str) -> Response:
    """An error in ARM's envelope (docs/reference/azure-wire.md#arm-errors)."""
    return Response(status, {"error": {"code": code, "message": message}})


def iso_time(at_s: float) -> str:
    """Emulated epoch seconds as Azure's answers show them."""
    # `strftime` takes four times as long, and a resource shows times again and again.
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"

"""The pages of sign-in: as little HTML as a person or a test needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from brownout.identity.aws.names import SIGNIN_COOKIE
from brownout.identity.aws.signin.attempts import Refusal
from brownout.identity.core.messages import Response

HeaderPairs = Iterable[tuple[bytes, bytes]]

REFUSED: Mapping[Refusal, str] = {
    "wrong": "Your authentication information is incorrect. Please try again.",
    "wrong-code": "The MFA code or security key was not accepted. Please try again.",
    "code-needed": "Enter the code of your MFA device.",
    "key-needed": "Use your security key.",
    "password-expired": "You must change your password before you can sign in.",
}


def page(status: int, title: str, body: str, headers: HeaderPairs = ()) -> Response:
    """A page; `body` is HTML."""
    text = f"<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>{escape(title)}</title></head><body>"
    text += f"<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    lines = ((b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), *headers)
    return Response.raw(status, lines, text.encode())


def form(
    account: str, region: str, *, status: int = 200, notice: str = "", user_name: str = "", challenge: str = ""
) -> Response:
    """The form to sign in with; `challenge` is what a security key is to sign."""
    action = f"/console?region={escape(region)}" if region else "/console"
    fields = (
        ("account", "text", account),
        ("username", "text", user_name),
        ("password", "password", ""),
        ("mfa_code", "text", ""),
        ("challenge", "hidden", challenge),
        ("assertion", "hidden", ""),
    )
    inputs = "\n".join(
        f'<p><label>{name} <input name="{name}" type="{kind}" value="{escape(value)}"></label></p>'
        for name, kind, value in fields
    )
    said = f'<p role="alert">{escape(notice)}</p>\n' if notice else ""
    return page(status, "Sign in", f'{said}<form method="post" action="{action}">\n{inputs}\n<button>Sign in</button></form>')


def signed_in(arn: str, facts: Mapping[str, str], headers: HeaderPairs = ()) -> Response:
    """Who is signed in, and what else is worth knowing of it."""
    rows = "\n".join(f'<dt>{escape(name)}</dt><dd id="{escape(name)}">{escape(text)}</dd>' for name, text in facts.items())
    return page(200, "Console", f'<p>Signed in as <strong id="arn">{escape(arn)}</strong></p>\n<dl>{rows}</dl>', headers)


def failure(status: int, message: str) -> Response:
    return page(status, "Sign-in failed", f'<p role="alert">{escape(message)}</p>')


def redirect(location: str, headers: HeaderPairs = ()) -> Response:
    return Response.raw(302, ((b"location", location.encode("latin-1", "replace")), *headers), b"")


def cookie(token: str, lifetime_s: int) -> tuple[bytes, bytes]:
    """The header line that gives a browser its session, or with "" takes it away."""
    text = f"{SIGNIN_COOKIE}={token}; Path=/; Max-Age={lifetime_s if token else 0}; HttpOnly; SameSite=Lax"
    return b"set-cookie", text.encode("latin-1")


def cookie_of(header: str) -> str:
    """The session in a `Cookie` header, "" without one."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == SIGNIN_COOKIE:
            return value
    return ""

"""Who may talk to a web page of ours on loopback: the person at this machine and programs, and no page of another site.

A server such as Locust's answers any page: it mirrors whatever `Origin` asks, so a page that is open in a browser could
read the figures and start or stop the load; and it takes any `Host`, so a name that an attacker points at 127.0.0.1 makes
such a page a page of the same site. Here, before the application sees a request:

- the `Host` is `localhost` or an address: a name can be pointed here by others, an address cannot;
- an `Origin`, which browsers send with everything that changes something, is that of the page itself;
- a browser that says that another site asks (`Sec-Fetch-Site`) is only followed when a person goes to a page.

Answers never allow another origin to read them. Programs send neither header and are served as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApplication = Callable[[Environ, StartResponse], Iterable[bytes]]
_CORS = "access-control-"


def guarded(application: WsgiApplication) -> WsgiApplication:
    """The WSGI application behind the checks above: 403 with the reason for what fails one."""

    def answer(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        refused = why_refused(environ)
        if refused:
            text = f"{refused}\n".encode()
            start_response("403 Forbidden", [("content-type", "text/plain"), ("content-length", str(len(text)))])
            return [text]

        def started(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [(name, value) for name, value in headers if not name.lower().startswith(_CORS)]
            return start_response(status, kept, *more)

        return application(environ, started)

    return answer


def why_refused(environ: Environ) -> str:
    """Why this request is not served; "" when it is."""
    host, origin = str(environ.get("HTTP_HOST", "")), environ.get("HTTP_ORIGIN")
    if not _is_here(host):
        return "open this page as localhost or 127.0.0.1: other names are refused, because any site can point one here"
    if origin is not None and urlsplit(str(origin)).netloc.lower() != host.lower():
        return "a page of another site may not use this one"
    site = environ.get("HTTP_SEC_FETCH_SITE", "none")
    is_visit = environ["REQUEST_METHOD"] in ("GET", "HEAD") and environ.get("HTTP_SEC_FETCH_MODE") == "navigate"
    if site not in ("none", "same-origin") and not is_visit:
        return "a page of another site may not use this one"
    return ""


def _is_here(host: str) -> bool:
    """Whether a `Host` is localhost or an address, with or without a port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False

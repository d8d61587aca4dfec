"""What a page may do: run its own modules, and open sockets to its hosts."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable


def content_security_policy(scripts: Iterable[str], *hosts: str) -> str:
    """Allow these scripts, the page's own files, and sockets to these hosts."""
    # An address of IPv6 cannot be named here, and 'self' has to do.
    named = [host for host in hosts if host and "[" not in host]
    sockets = [f"ws://{host} wss://{host}" for host in named]
    digests = [hashlib.sha256(each.encode()).digest() for each in scripts]
    known = [f"'sha256-{b64encode(each).decode()}'" for each in digests]
    rules = [
        "default-src 'none'",
        f"script-src 'self' {' '.join(known)}",
        "style-src 'self'",
        "img-src 'self' data:",
        # Some browsers do not take 'self' to mean sockets as well.
        f"connect-src 'self' {' '.join(sockets)}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join(rules)

"""What a page may do: run its own modules, and open sockets to its hosts."""

import hashlib
from base64 import b64encode


def content_security_policy(import_map: str, *hosts: str) -> str:
    """The page's own files, sockets to these hosts, and nothing else."""
    # An address of IPv6 cannot be named here, and 'self' has to do.
    named = [host for host in hosts if host and "[" not in host]
    sockets = [f"ws://{host} wss://{host}" for host in named]
    digest = hashlib.sha256(import_map.encode()).digest()
    rules = [
        "default-src 'none'",
        f"script-src 'self' 'sha256-{b64encode(digest).decode()}'",
        "style-src 'self'",
        "img-src 'self' data:",
        # Some browsers do not take 'self' to mean sockets as well.
        f"connect-src 'self' {' '.join(sockets)}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return "; ".join(rules)

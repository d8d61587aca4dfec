"""What a browser is given: import map, modules, styles, and what it may do."""

import hashlib
import json
import mimetypes
from base64 import b64encode

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from .settings import ROOT

LIBRARIES = ROOT / "node_modules"
PACKAGES = ["preact", "htm", "partysocket", "@msgpack/msgpack"]

IMPORT_MAP = json.dumps(
    {
        "imports": {
            "shared/": "/shared/ui/",
            "preact": "/lib/preact/dist/preact.mjs",
            "preact/hooks": "/lib/preact/hooks/dist/hooks.mjs",
            # Of React, partysocket's hook needs what preact's hooks are.
            "react": "/lib/preact/hooks/dist/hooks.mjs",
            "htm": "/lib/htm/dist/htm.module.js",
            "htm/preact": "/lib/htm/preact/index.module.js",
            "partysocket/react": "/lib/partysocket/dist/react.js",
            "@msgpack/msgpack": "/lib/@msgpack/msgpack/dist.esm/index.mjs",
        }
    }
)
"""Where the browser finds what is imported by a bare name."""

# Some systems call modules plain text, which browsers do not run.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("text/javascript", ".mjs")


class Fresh(StaticFiles):
    """Static files that a browser asks about each time it uses them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer as StaticFiles does, 304 included."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def content_security_policy(*hosts: str) -> str:
    """The page's own files, sockets to these hosts, and nothing else."""
    # An address of IPv6 cannot be named here, and 'self' has to do.
    named = [host for host in hosts if host and "[" not in host]
    sockets = [f"ws://{host} wss://{host}" for host in named]
    digest = hashlib.sha256(IMPORT_MAP.encode()).digest()
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

"""Run a stage: `python -m shared.serve STAGE`, where STAGE is a folder."""

import asyncio
import gc
import importlib
import importlib.util
import logging
import os
import pkgutil
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.applications import Starlette
from uvicorn import Config, Server

from .app import CheckedSettings
from .file_descriptors import ensure_descriptors
from .party.transport import BatchingProtocol, Broadcaster, FastHandshakeHTTP
from .party.transport.bounded_protocol import BoundedProtocol
from .party.transport.http_protocol import BoundedHTTP
from .presenter import auth, invite
from .settings import ROOT, SECRETS, Settings, settings
from .supervisor import Supervisor, exit_with_parent
from .web.libraries import LIBRARIES, PACKAGES
from .web.log_redaction import redacting_handler, replace_unprintable
from .web.traceback_summary import escape_unprintable, summarize_traceback

SOCKET_SEND_BUFFER = 64 * 1024
"""Bytes of the system's send buffer (SO_SNDBUF), which has megabytes otherwise.

Linux doubles it. Accepted sockets inherit it from the one that listens.
"""

FORCED_EXIT_DELAY = 0.9
"""Seconds between the grace period for replies and a forced exit."""

LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""The address by which this machine reaches a server on all interfaces."""


class PartyServer(Server):
    """uvicorn's server, which closes the rooms before the sockets."""

    @property
    def party_app(self) -> Starlette:
        """The Starlette app, without the middleware that uvicorn adds."""
        app = pkgutil.resolve_name(str(self.config.app))
        assert isinstance(app, Starlette)
        return app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and print the address and which AI answers."""
        if self.config.ws is BatchingProtocol:
            self.party_app.state.parties.context.transport = Broadcaster
        await super().startup(sockets)
        sock = (sockets or self.servers[0].sockets)[0]
        print("\n".join(self.banner(sock)), flush=True)

    def banner(self, sock: socket.socket) -> list[str]:
        """Return the lines for the terminal."""
        renderer = self.party_app.state.renderer
        port = sock.getsockname()[1]
        return [
            f"{renderer.stage} runs at {url(sock)} (Ctrl+C stops it)",
            *invite.invitation_banner(port),
            *auth.presenter_banner([url(sock), *invite.join_urls(port)]),
            *map(escape_unprintable, renderer.status_lines),
            *filter(None, [self.party_app.state.parties.store.status_line]),
        ]

    async def shutdown(
        self, sockets: list[socket.socket] | None = None
    ) -> None:
        """Refuse connections, let running replies finish, then close."""
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        await self.party_app.state.parties.shutdown(settings().graceful_seconds)
        # The last connections may be in their handshake still.
        await asyncio.sleep(0.1)
        # uvicorn would wait for slow clients and incomplete requests.
        asyncio.get_running_loop().call_later(0.05, self.abort_connections)
        await super().shutdown(sockets)

    def abort_connections(self) -> None:
        """Abort the connections that are still open."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Shut down; exit at once at a second signal, or after a timeout."""
        # SIGTERM after Ctrl+C may come from a supervisor that got it as well.
        if self.should_exit and (
            sig == signal.SIGINT or sig in self._captured_signals
        ):
            os._exit(128 + sig)
        super().handle_exit(sig, frame)
        delay = settings().graceful_seconds + FORCED_EXIT_DELAY
        timer = threading.Timer(delay, os._exit, [0])
        timer.daemon = True
        timer.start()


def main() -> None:
    """Run the stage that the command names, until it is stopped."""
    replace_unprintable()
    exit_on_hangup()
    choice = read_settings()
    folder, config = configure(sys.argv[1:], choice)
    print_name_errors(choice)
    sock = bind_socket(config.host, config.port, folder.name)
    with auth.persist_moderation():
        if choice.reload:
            serve = partial(run, config, [sock])
            Supervisor(serve, [folder, ROOT / "shared"]).run()
        else:
            run(config, [sock])


def exit_on_hangup() -> None:
    """Exit as by Ctrl+C when the terminal is closed, unless under nohup."""
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # a shell may send it again
        os.kill(os.getpid(), signal.SIGINT)

    if hangup and signal.getsignal(hangup) == signal.SIG_DFL:
        signal.signal(hangup, end)


def read_settings() -> Settings:
    """Return the settings, or exit with a line for each that is wrong."""
    try:
        return auth.ensure_key(CheckedSettings())
    except ValidationError as error:
        wrong = [
            f"  {str(each['loc'][0]).upper()}={shown(each)}: "
            + each["msg"].removeprefix("Value error, ")
            for each in error.errors()
        ]
        lines = map(escape_unprintable, ["These settings do not work:", *wrong])
        sys.exit("\n".join(lines))
    except UnicodeDecodeError:
        sys.exit(f"{Settings.model_config['env_file']} is not UTF-8 text.")


def print_name_errors(choice: Settings) -> None:
    """Print a line for each name that was set and has no effect."""
    for line in choice.name_errors().values():
        print(escape_unprintable(line), file=sys.stderr)


def shown(error: ErrorDetails) -> str:
    """Return a wrong setting as the terminal may show it: no secret."""
    secret = error["loc"][0] in SECRETS
    return "…" if secret else str(error["input"])[:200]


def configure(arguments: list[str], choice: Settings) -> tuple[Path, Config]:
    """Return a stage's folder, and the configuration of uvicorn."""
    stage = arguments[0] if len(arguments) == 1 else ""
    package = None
    if stage.replace(".", "").isidentifier():
        with suppress(ImportError):  # of the package around it
            package = importlib.util.find_spec(stage)
    if package is None or package.origin is None:
        sys.exit("usage: python -m shared.serve STAGE, a folder with an app.py")
    if not all((LIBRARIES / package).exists() for package in PACKAGES):
        sys.exit("The browser libraries are missing: run make setup.")
    config = Config(
        f"{stage}.app:app",
        host=choice.bind_host,
        port=choice.port,
        root_path=choice.root_path,
        http=FastHandshakeHTTP if choice.fast_transport else BoundedHTTP,
        ws=BatchingProtocol if choice.fast_transport else BoundedProtocol,
        ws_max_size=choice.max_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=choice.ping_interval,
        ws_ping_timeout=choice.ping_interval,
        timeout_graceful_shutdown=1,
        log_config=None,
        access_log=False,
    )
    return Path(package.origin).parent, config


def run(
    config: Config,
    sockets: list[socket.socket],
    ended: Event | None = None,
    server_class: type[PartyServer] = PartyServer,
) -> None:
    """Serve on bound sockets, once the server before this one has `ended`."""
    logging.basicConfig(level=logging.WARNING, handlers=[redacting_handler()])
    replace_unprintable()
    ensure_descriptors()
    exit_with_parent()
    exit_on_hangup()
    # Thousands of connections are no garbage: scan them less often.
    gc.set_threshold(100_000, 50, 100)
    server = server_class(config)
    # uvicorn raises the signal that stopped it once more, which is no error.
    # Before it handles signals itself, only this process has to exit.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None if server.started else sys.exit())
    if ended:
        with suppress(Exception):  # reported below
            config.load()
        ended.wait()
    try:
        server.run(sockets)
    except Exception:
        stage = importlib.import_module(str(config.app).partition(".")[0])
        folder = Path(str(stage.__file__)).parent
        if words := summarize_traceback(traceback.format_exc(), folder):
            sys.exit(words)
        raise


def bind_socket(host: str, port: int, stage: str) -> socket.socket:
    """Return a socket at an address; exit with advice if it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_SEND_BUFFER)
    try:
        sock.bind((host, port))
    except OSError as error:
        command = f"make {stage.replace('_', '-')} PORT=2000"
        sys.exit(
            f"{host}:{port} cannot be used ({error.strerror}). Stop what runs "
            f"there, or take another port: {command}"
        )
    sock.set_inheritable(True)
    return sock


def url(sock: socket.socket) -> str:
    """Return a listening socket's URL for a browser on this machine."""
    host, port = sock.getsockname()[:2]
    netloc = invite.format_netloc(LOOPBACK.get(host, host), port)
    return f"http://{netloc}{settings().root_path}"


if __name__ == "__main__":
    main()

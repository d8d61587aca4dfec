"""Runs a stage: `python -m shared.serve STAGE`, where STAGE is a folder."""

import importlib
import importlib.util
import logging
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from pydantic import ValidationError
from starlette.applications import Starlette
from uvicorn import Config, Server
from uvicorn.supervisors.statreload import StatReload

from .libraries import LIBRARIES, PACKAGES
from .party.protocol import PartyProtocol
from .settings import ROOT, Settings, settings

LARGEST_MESSAGE = 2 * 1024 * 1024
"""Bytes of a frame that is still answered; a larger one ends its socket."""


class PartyServer(Server):
    """uvicorn's server, which ends the rooms before it closes sockets."""

    @property
    def party_app(self) -> Starlette:
        """The app that runs, without what uvicorn wraps around it."""
        module, _, name = str(self.config.app).partition(":")
        app = getattr(importlib.import_module(module), name)
        assert isinstance(app, Starlette)
        return app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where the app is and what answers in it."""
        await super().startup(sockets)
        shell = self.party_app.state.shell
        address = url((sockets or self.servers[0].sockets)[0])
        print(f"{shell.stage} runs at {address} (Ctrl+C stops it)", flush=True)
        for note in shell.notes:
            print(note, flush=True)

    async def shutdown(
        self, sockets: list[socket.socket] | None = None
    ) -> None:
        """Take nobody in, let replies in progress finish, then close."""
        for server in self.servers:
            server.close()
        await self.party_app.state.parties.shutdown(settings().patience)
        await super().shutdown(sockets)


def main() -> None:
    """Run the stage that the command names, until it is stopped."""
    stage, config = configure(sys.argv[1:], read_settings())
    sock = listen(config.host, config.port, stage)
    if config.reload:
        StatReload(config, target=partial(run, config), sockets=[sock]).run()
    else:
        run(config, [sock])


def read_settings() -> Settings:
    """The settings, or an end that names each one that is wrong."""
    try:
        return settings()
    except ValidationError as error:
        wrong = [
            f"  {str(each['loc'][0]).upper()}={each['input']}: {each['msg']}"
            for each in error.errors()
        ]
        sys.exit("\n".join(["These settings do not work:", *wrong]))


def configure(arguments: list[str], choice: Settings) -> tuple[str, Config]:
    """uvicorn's configuration for a stage."""
    stage = arguments[0] if len(arguments) == 1 else ""
    package = importlib.util.find_spec(stage) if stage.isidentifier() else None
    if package is None or package.origin is None:
        sys.exit("usage: python -m shared.serve STAGE, a folder with an app.py")
    if not all((LIBRARIES / package).exists() for package in PACKAGES):
        sys.exit("The browser libraries are missing: run make setup.")
    watched = [str(Path(package.origin).parent), str(ROOT / "shared")]
    config = Config(
        f"{stage}.app:app",
        host=choice.host,
        port=choice.port,
        ws=PartyProtocol,
        ws_max_size=LARGEST_MESSAGE,
        ws_per_message_deflate=False,
        reload=choice.reload,
        reload_dirs=watched if choice.reload else None,
        timeout_graceful_shutdown=1,
        log_config=None,
        access_log=False,
    )
    return stage, config


def run(config: Config, sockets: list[socket.socket]) -> None:
    """Serve on sockets that listen already."""
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    # uvicorn raises the signal that stopped it again: ending is no error.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    PartyServer(config).run(sockets)


def listen(host: str, port: int, stage: str) -> socket.socket:
    """A socket at that address, or an end that says what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sys.exit(
            f"{host}:{port} cannot be used ({error.strerror}). Stop what runs "
            f"there, or take another port: make {make_name(stage)} PORT=2000"
        )
    sock.set_inheritable(True)
    return sock


def make_name(stage: str) -> str:
    """What make calls a stage."""
    return stage.replace("_", "-")


def url(sock: socket.socket) -> str:
    """The address of a listening socket, for a browser."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


if __name__ == "__main__":
    main()

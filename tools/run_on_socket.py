"""Run a stage for `make present`, on a socket that stays open.

    python -m tools.run_on_socket STAGE DESCRIPTOR

It serves from the first byte on standard input until that is closed.
"""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress

from shared.serve import (
    PartyServer,
    configure,
    print_name_errors,
    read_settings,
    run,
    url,
)
from shared.web.traceback_summary import escape_unprintable


class PresentedServer(PartyServer):
    """A server whose addresses `make present` shows itself."""

    def banner(self, sock: socket.socket) -> list[str]:
        """Return the lines for the terminal, without the addresses."""
        renderer = self.party_app.state.renderer
        status = map(escape_unprintable, renderer.status_lines)
        return [f"{renderer.stage} runs at {url(sock)}", *status]


def main() -> None:
    """Load the stage, wait, and serve."""
    choice = read_settings()
    _, config = configure(sys.argv[1:2], choice)
    print_name_errors(choice)
    sock = socket.socket(fileno=int(sys.argv[2]))
    with suppress(Exception):  # `run` reports the error
        config.load()
    if os.read(0, 1):
        threading.Thread(target=exit_at_end_of_input, daemon=True).start()
        run(config, [sock], server_class=PresentedServer)


def exit_at_end_of_input() -> None:
    """End this process when the one that started it ends it, or is gone."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

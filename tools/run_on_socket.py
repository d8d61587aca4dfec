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

from shared.serve import configure, print_name_errors, read_settings, run


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
        run(config, [sock])


def exit_at_end_of_input() -> None:
    """End this process when the one that started it ends it, or is gone."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

"""Runs a stage on a socket of `make present`, when its turn has come.

    python -m tools.run_on_socket STAGE DESCRIPTOR

The turn begins with a byte on standard input, and lasts until that ends.
"""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress

from shared.serve import configure, print_name_errors, read_settings, run


def main() -> None:
    """Get ready, wait, and serve."""
    choice = read_settings()
    _, config = configure(sys.argv[1:2], choice)
    print_name_errors(choice)
    sock = socket.socket(fileno=int(sys.argv[2]))
    with suppress(Exception):  # `run` says what is wrong
        config.load()
    if os.read(0, 1):
        threading.Thread(target=end_in_turn, daemon=True).start()
        run(config, [sock])


def end_in_turn() -> None:
    """End this process when the one that started it says so, or is gone."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()

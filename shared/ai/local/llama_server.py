"""The local model's process, which serves until its standard input ends.

In the app's process, llama.cpp would block the event loop while it loads, and
could crash the app when it stops in the middle of a reply.
"""

import os
import signal
import sys

import xllamacpp

CONTEXT = 4096
"""Tokens of all prompts and replies together."""

AT_ONCE = 2
"""Replies at the same time; each has its share of the context."""


def main() -> None:
    """Read a key, a name and a model's file; print the address; serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the app
    if hasattr(os, "nice"):
        os.nice(5)
    key, name, path = (sys.stdin.readline().strip() for _ in range(3))
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.cors_origins = "http://127.0.0.1"
    params.n_ctx = CONTEXT
    params.n_parallel = AT_ONCE
    params.n_predict = 256
    # A cancelled request is noticed between two batches.
    params.n_batch = 256
    # Half of the cores: a thread on a busy core stalls the others.
    threads = max(1, (os.cpu_count() or 2) // 2)
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_threads_http = 4
    params.cache_ram_mib = 0
    params.verbosity = 0
    params.ui = False
    params.endpoint_slots = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    # Without its destructor, which waits for replies in progress.
    os._exit(0)


if __name__ == "__main__":
    main()

"""The local model's own process: serves until its standard input ends.

In the app's process, llama.cpp would hold up everybody while it loads, and
could take the app with it when it stops in the middle of a reply.
"""

import os
import signal
import sys

import xllamacpp

CONTEXT = 4096
"""Tokens that all prompts and replies may have together."""

AT_ONCE = 2
"""Replies that are written at the same time; each has its share of that."""


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
    # A request that was given up is noticed between two batches.
    params.n_batch = 256
    # Half of the cores: threads that wait for a busy core stall the rest.
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
    # Not by way of its destructor, which waits for replies in progress.
    os._exit(0)


if __name__ == "__main__":
    main()

"""The batching transport on uvicorn, described in docs/transport.md."""

from .batching_protocol import BatchingProtocol
from .broadcaster import Broadcaster
from .handshake import FastHandshakeHTTP

__all__ = ["BatchingProtocol", "Broadcaster", "FastHandshakeHTTP"]

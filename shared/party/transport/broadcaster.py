"""Batch the frames of one room: most connections receive the same bytes."""

import asyncio
from collections.abc import Callable, Collection, Hashable
from weakref import ref

from ..delivery import ConnectionMap
from ..encoding import Frame
from .batching_protocol import BatchingProtocol
from .deflate import MIN_COMPRESSED_BYTES, SharedDeflate, needs_reset
from .frame_codec import encode_payload, serialize
from .write_batcher import get_write_batcher


class Broadcaster:
    """Delivers the frames of one room.

    Connections that receive the same frames in this event-loop iteration are
    `synced`: their batch is joined once for them all. The others are
    `detached`: left out of a frame, sent one of their own, using another
    compressor, or slow. In the next iteration they rejoin, if they can.
    """

    def __init__(self, connections: ConnectionMap) -> None:
        self.connections = connections
        self.batcher = get_write_batcher(asyncio.get_running_loop())
        # The connections hold the compressor; it goes with the last of them.
        self.compressor: Callable[[], SharedDeflate | None] = lambda: None
        self.version = -1
        self.synced: dict[BatchingProtocol, Callable[[bytes], None]] = {}
        # Ids, so that departed connections are not kept here.
        self.detached: list[str] = []
        self.batch: list[bytes] = []
        self.compress = False

    def deliver(
        self, frame: Frame, without: Collection[str], key: Hashable
    ) -> None:
        """Add a frame to the batch, and to the queues of slow connections."""
        compress = not without and len(frame) >= MIN_COMPRESSED_BYTES
        may_rejoin = self.detached and not self.batch
        if (
            self.version != self.connections.version
            or compress > self.compress
            or (may_rejoin and compress)
        ):
            self._regroup(compress)
        elif may_rejoin:
            self.compress = False
            self._rejoin()
        for id in without:
            connection = self.connections.get(id)
            if connection and connection._direct:
                self.detach(connection._direct)
        first, payload = encode_payload(frame)
        compressor = self.compressor() if compress else None
        plain = serialize(first, payload)
        data = compressor.serialize(first, payload) if compressor else plain
        if not self.batch:
            self.batcher.add(self)
        self.batch.append(data)
        for id in self.detached:
            if id in without:
                continue
            connection = self.connections[id]
            protocol: BatchingProtocol | None = connection._direct
            if protocol and connection._is_idle:
                is_synced = protocol.compressor is compressor
                protocol.write(data if is_synced else plain)
            else:
                connection._enqueue(frame, key)
                if protocol and compressor:
                    protocol.compressor, protocol.missed_frame = None, True
        self.batcher.schedule(len(plain))

    def _regroup(self, compress: bool) -> None:
        """Write the batch, and group the connections there are now anew."""
        self.flush()
        self.version, self.compress = self.connections.version, compress
        self.synced, self.detached = {}, list(self.connections)
        if compress:
            members = self.connections.values()
            idle = [each._direct for each in members if each._is_idle]
            protocols: list[BatchingProtocol] = [each for each in idle if each]
            if needs_reset(self.compressor(), protocols):
                compressor = SharedDeflate(protocols)
                self.compressor = ref(compressor)
        self._rejoin()

    def _rejoin(self) -> None:
        """Sync those detached connections that can receive the same again."""
        compressor = self.compressor()
        detached, self.detached = self.detached, []
        for id in detached:
            connection = self.connections[id]
            protocol = connection._direct
            is_ready = protocol and protocol.is_open and not protocol.pending
            if (
                is_ready
                and connection._is_idle
                and protocol.compressor is compressor
            ):
                protocol.broadcaster = self
                self.synced[protocol] = protocol.transport.write
            else:
                self.detached.append(id)

    def detach(self, protocol: BatchingProtocol) -> None:
        """Let a connection receive different frames from here on."""
        if self.synced.pop(protocol, None) and protocol.connection:
            self.detached.append(protocol.connection.id)
            for data in self.batch:
                protocol.write(data)

    def flush(self) -> None:
        """Write the batch to the synced connections."""
        if self.batch:
            data = b"".join(self.batch)
            self.batch = []
            # A write that fills a buffer detaches its connection meanwhile.
            for write in list(self.synced.values()):
                write(data)

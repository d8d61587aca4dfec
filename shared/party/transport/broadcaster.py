"""Batch the frames of one room: most connections receive the same bytes."""

from collections.abc import Callable, Collection, Hashable
from weakref import ref

from ..encoding import Frame
from ..gathering import Present
from ..rooms import Connection
from .batching_protocol import BatchingProtocol
from .deflate import MIN_COMPRESSED_BYTES, SharedDeflate, needs_reset
from .frame_codec import encode_payload, serialize
from .write_batcher import WriteBatcher


class Broadcaster:
    """Delivers the frames of one room.

    Connections that receive the same frames in this event-loop iteration are
    `synced`: their batch is joined once for them all. The others are
    `detached`: left out of a frame, sent one of their own, using another
    compressor, or slow. In the next iteration they rejoin, if they can.
    """

    def __init__(
        self, present: Present[Connection], batcher: WriteBatcher
    ) -> None:
        self.present = present
        self.batcher = batcher
        # The connections hold the compressor; it goes with the last of them.
        self.compressor: Callable[[], SharedDeflate | None] = lambda: None
        self.turnover = -1
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
            self.turnover != self.present.turnover
            or compress > self.compress
            or (may_rejoin and compress)
        ):
            self._regroup(compress)
        elif may_rejoin:
            self.compress = False
            self._rejoin()
        for id in without:
            connection = self.present.get(id)
            if connection and connection.shortcut:
                self.detach(connection.shortcut)
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
            connection = self.present[id]
            protocol: BatchingProtocol | None = connection.shortcut
            if protocol and connection.idle:
                is_synced = protocol.compressor is compressor
                protocol.write(data if is_synced else plain)
            else:
                connection.put(frame, key)
                if protocol and compressor:
                    protocol.compressor, protocol.missed_frame = None, True
        self.batcher.schedule(len(plain))

    def _regroup(self, compress: bool) -> None:
        """Write the batch, and group the connections there are now anew."""
        self.flush()
        self.turnover, self.compress = self.present.turnover, compress
        self.synced, self.detached = {}, list(self.present)
        if compress:
            members = self.present.values()
            idle = [each.shortcut for each in members if each.idle]
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
            connection = self.present[id]
            protocol = connection.shortcut
            is_ready = protocol and protocol.is_open and not protocol.pending
            if (
                is_ready
                and connection.idle
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

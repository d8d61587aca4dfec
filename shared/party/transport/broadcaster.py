"""What a room says in one turn of the loop: to most, it is the same."""

from collections.abc import Callable, Collection, Hashable
from weakref import ref

from ..encoding import Frame
from ..gathering import Present
from ..rooms import Connection
from .batching_protocol import FastProtocol
from .frame_codec import parts, wrap
from .shared_deflate import SMALLEST, Window, lacking
from .write_batcher import Post


class Desk:
    """Delivers the frames of one room.

    Those who hear the same in this turn are `together`: it is put together
    once for them all. The others are `apart`, as who was left out of a frame,
    was told another, follows another window, or does not keep up. When the
    next turn begins, those of them who can be are together again.
    """

    def __init__(self, present: Present[Connection], post: Post) -> None:
        self.present = present
        self.post = post
        # Those who follow the window keep it; when they are gone, it is, too.
        self.window: Callable[[], Window | None] = lambda: None
        self.turnover = -1
        self.together: dict[FastProtocol, Callable[[bytes], None]] = {}
        # By their ids, as who has left is not to be kept here.
        self.apart: list[str] = []
        self.common: list[bytes] = []
        self.packs = False

    def deliver(
        self, frame: Frame, without: Collection[str], key: Hashable
    ) -> None:
        """Stand in for `Room.deliver`: write in this turn, or to the outbox."""
        packs = not without and len(frame) >= SMALLEST
        again = self.apart and not self.common
        if (
            self.turnover != self.present.turnover
            or packs > self.packs
            or (again and packs)
        ):
            self.begin(packs)
        elif again:
            self.packs = False
            self.gather()
        for id in without:
            if (someone := self.present.get(id)) and someone.shortcut:
                self.leave(someone.shortcut)
        said = parts(frame)
        window = self.window() if packs else None
        plain = wrap(*said)
        data = window.wrap(*said) if window else plain
        if not self.common:
            self.post.add(self)
        self.common.append(data)
        for id in self.apart:
            if id in without:
                continue
            each = self.present[id]
            line: FastProtocol | None = each.shortcut
            if line and each.idle:
                line.write(data if line.window is window else plain)
            else:
                each.put(frame, key)
                if line and window:
                    line.window, line.skipped = None, True
        self.post.close(len(plain))

    def begin(self, packs: bool) -> None:
        """Find out who hears the same, of those who are there now."""
        self.flush()
        self.turnover, self.packs = self.present.turnover, packs
        self.together, self.apart = {}, list(self.present)
        if packs:
            members = self.present.values()
            idle = [each.shortcut for each in members if each.idle]
            lines: list[FastProtocol] = [line for line in idle if line]
            if lacking(self.window(), lines):
                window = Window(lines)
                self.window = ref(window)
        self.gather()

    def gather(self) -> None:
        """Have those together who were apart, and can hear the same again."""
        window = self.window()
        apart, self.apart = self.apart, []
        for id in apart:
            each = self.present[id]
            line = each.shortcut
            same = line and line.open and not line.pending
            if same and each.idle and line.window is window:
                line.desk = self
                self.together[line] = line.transport.write
            else:
                self.apart.append(id)

    def leave(self, line: FastProtocol) -> None:
        """Set apart one who hears something else from here on."""
        if self.together.pop(line, None) and line.reader:
            self.apart.append(line.reader.id)
            for data in self.common:
                line.write(data)

    def flush(self) -> None:
        """Write what is common to those to whom it is."""
        if self.common:
            data = b"".join(self.common)
            self.common = []
            # Whoever does not take it leaves meanwhile.
            for write in list(self.together.values()):
                write(data)

"""What a room says in one turn of the loop: to most, it is the same."""

from collections.abc import Callable, Collection, Hashable
from weakref import ref

from ..party.frames import Frame
from ..party.rooms import Connection
from .frames import parts, wrap
from .post import Post
from .protocol import FastProtocol
from .window import SMALLEST, Window, lacking


class Desk:
    """Delivers the frames of one room.

    Those who hear the same in this turn are `together`: it is put together
    once for them all. The others are `apart`, as who was left out of a frame,
    was told another, follows another window, or does not keep up. While nobody
    is, who is together stays so from turn to turn.
    """

    def __init__(self, present: dict[str, Connection], post: Post) -> None:
        self.present = present
        self.post = post
        # Those who follow the window keep it; when they are gone, it is, too.
        self.window: ref[Window] | None = None
        self.forget()

    def forget(self) -> None:
        """Know of nobody: the next turn begins anew."""
        self.members: list[Connection] = []
        self.together: dict[FastProtocol, Callable[[bytes], None]] = {}
        self.apart: list[Connection] = []
        self.common: list[bytes] = []
        self.packs = False

    def deliver(
        self, frame: Frame, without: Collection[str], key: Hashable
    ) -> None:
        """Stand in for `Room.deliver`: write in this turn, or to the outbox."""
        packs = not without and len(frame) >= SMALLEST
        members = list(self.present.values())
        if members != self.members or packs > self.packs:
            self.begin(members, packs)
        for id in without:
            if (someone := self.present.get(id)) and someone.shortcut:
                self.leave(someone.shortcut)
        said = parts(frame)
        window = self.window() if packs and self.window else None
        plain = wrap(*said)
        data = window.wrap(*said) if window else plain
        if not self.common:
            self.post.add(self)
        self.common.append(data)
        for each in self.apart:
            if each.id in without:
                continue
            line: FastProtocol | None = each.shortcut
            if line and each.idle:
                line.write(data if line.window is window else plain)
            else:
                each.put(frame, key)
                if line and window:
                    line.window, line.skipped = None, True
        self.post.close(len(plain))

    def begin(self, members: list[Connection], packs: bool) -> None:
        """Find out who hears the same, of those who are there now."""
        self.flush()
        self.forget()
        self.members, self.packs = members, packs
        window = self.window() if self.window else None
        if packs:
            idle = [each.shortcut for each in members if each.idle]
            lines: list[FastProtocol] = [line for line in idle if line]
            if lacking(window, lines):
                window = Window(lines)
                self.window = ref(window)
        for each in members:
            line = each.shortcut
            alive = line and line.reader and not line.transport.is_closing()
            same = alive and not line.pending and line.window is window
            if same and each.idle:
                line.desk = self
                self.together[line] = line.transport.write
            else:
                self.apart.append(each)

    def leave(self, line: FastProtocol) -> None:
        """Set apart one who hears something else from here on."""
        if self.together.pop(line, None) and line.reader:
            self.apart.append(line.reader)
            for data in self.common:
                line.write(data)

    def flush(self) -> None:
        """Write what is common to those to whom it is."""
        if self.common:
            data = b"".join(self.common)
            self.common = []
            # Whoever does not take it leaves meanwhile.
            for line, write in list(self.together.items()):
                if not line.close_sent:
                    write(data)
        if self.apart:
            self.forget()

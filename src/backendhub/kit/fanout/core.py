"""The fan-out of one process: what is published is committed in groups, then written to everybody who is there.

    fan = Fanout.of(hub, "broadcast", keep=1000)
    member = await fan.join(peer, "news", codec, place)      # what is after the place first, then what comes
    entry = await fan.submit("news", Entry("", "hello"))     # stored, numbered, delivered, told to other processes
    fan.leave(member)

Every member gets every entry of its channel once and in the order of the numbers, wherever it was published: what comes
twice is dropped by its number, and what is missing (another process was faster, Redis was away, the reader was slow) is
read from the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import log
from .group import Group, check
from .members import Member, Missed, Stream
from .models import Channel, Codec, Entry, Past, Place
from .peers import Block, Peer, portions
from .relay import Relay
from .work import Work

if TYPE_CHECKING:
    from backendhub.kit.hub import Hub

MAX_HELD = 100
"""Entries that nobody keeps and that are kept for one who is catching up."""


class Fanout(Work):
    """The channels of one space in this process."""

    def __init__(self, hub: Hub, space: str, *, keep: int = log.FOREVER) -> None:
        super().__init__(hub)
        self.space = space
        self.keep = keep
        self.streams: dict[str, Stream] = {}
        self.published = 0
        self.delivered = 0
        self.control: frozenset[str] = frozenset()
        """Events at which a membership may end: `Member.stop` is asked about them, wherever they are read."""
        self.on_lost: Callable[[], None] | None = None
        self.on_ask: Callable[[dict[str, Any]], None] | None = None
        self._group = Group(hub, space, keep, self.committed)
        self.relay = Relay(self) if hub.redis is not None else None

    @classmethod
    def of(cls, hub: Hub, space: str, *, keep: int = log.FOREVER) -> Fanout:
        """The one of this process."""
        return hub.memory(f"fanout.{space}", lambda: cls(hub, space, keep=keep))

    # -- publishing ---------------------------------------------------------------------------------------

    def submit(self, channel: str, entry: Entry) -> asyncio.Future[Entry]:
        """Stores an entry and delivers it. What is submitted in one turn of the loop is one transaction; entries of one
        publisher stay in order. The result is known, and the entry numbered, once it is committed. Raises Invalid."""
        return self._group.submit(channel, entry)

    async def ready(self) -> None:
        """Waits while too much waits for its commit."""
        await self._group.ready()

    def committed(self, channel: Channel, entries: Sequence[Entry]) -> None:
        """Delivers entries that `log.append` has numbered and that are committed, here and in other processes."""
        self.published += len(entries)
        self.arrived(channel.name, channel.epoch, entries)
        if self.relay is not None:
            self.relay.tell(channel.name, channel.epoch, entries)

    def whisper(self, channel: str, entry: Entry) -> None:
        """Delivers an entry that nobody keeps: typing, a cursor. Who is behind does not get it. Raises Invalid for what
        no wire carries."""
        check(entry)
        self.heard(channel, entry)
        if self.relay is not None:
            self.relay.tell(channel, "", [entry])

    # -- delivering ---------------------------------------------------------------------------------------

    def arrived(self, channel: str, epoch: str, entries: Sequence[Entry]) -> None:
        """Takes numbered entries from whoever committed them: in order, each once, missing ones from the store."""
        stream = self.streams.get(channel)
        if stream is None:
            return
        stream.of(epoch)
        last = entries[-1].number
        stream.hint = max(stream.hint, last)
        if stream.number < 0 or stream.filling is not None or last <= stream.number:
            return
        if entries[0].number > stream.number + 1:
            self.fill(stream)
            return
        self._deliver(stream, [entry for entry in entries if entry.number > stream.number])

    def hinted(self, channel: str, epoch: str, number: int) -> None:
        """Takes note that there are entries up to a number."""
        stream = self.streams.get(channel)
        if stream is None:
            return
        stream.of(epoch)
        if number > stream.number:
            stream.hint = max(stream.hint, number)
            self.fill(stream)

    def heard(self, channel: str, entry: Entry) -> None:
        """Takes an entry that has no number."""
        stream = self.streams.get(channel)
        if stream is not None:
            self._spread(stream, [entry])

    def fill(self, stream: Stream) -> None:
        """Reads from the store what a channel has not delivered yet."""
        if stream.filling is None and stream.number >= 0:
            stream.filling = self.spawn(self._fill(stream))

    async def _fill(self, stream: Stream) -> None:
        try:
            while True:
                hint, epoch = stream.hint, stream.epoch
                past = await self._after(stream, stream.number)
                if stream.epoch != epoch:
                    continue
                if past.entries:
                    self._deliver(stream, past.entries)
                else:  # what was heard of before this was read is there, or is no longer kept
                    top = 0 if past.channel is None else past.channel.top
                    stream.number = max(stream.number, top, hint)
                if stream.number >= stream.hint and len(past.entries) < log.PAGE:
                    return
        finally:
            stream.filling = None

    async def _after(self, stream: Stream, number: int) -> Past:
        """Reads what comes after a number, of the history that is there now: where it has begun anew, `stream` has too."""
        epoch = stream.epoch
        place = Place(epoch, number) if epoch else number
        past = await self.read(log.since, self.space, stream.name, place)
        if stream.epoch == epoch and past.channel is not None:
            stream.of(past.channel.epoch)
        return past

    def _deliver(self, stream: Stream, entries: Sequence[Entry]) -> None:
        stream.number = entries[-1].number
        stream.hint = max(stream.hint, stream.number)
        start = 0
        for at, entry in enumerate(entries, 1):  # who leaves with an entry does not get the next one
            if entry.event in self.control:
                self._spread(stream, entries[start:at])
                self._stop(stream, entry)
                start = at
        if start < len(entries):
            self._spread(stream, entries[start:])

    def _stop(self, stream: Stream, entry: Entry) -> None:
        for member in stream.all():
            if not member.behind and self._stops(member, entry):
                self.leave(member)

    def _spread(self, stream: Stream, entries: Sequence[Entry]) -> None:
        skips = {entry.skip for entry in entries if entry.skip is not None}
        for codec, members in stream.members.items():
            block = Block(stream.name, codec, entries)
            for member in tuple(members):
                if member.behind:
                    if not entries[0].number and len(member.held) < MAX_HELD:
                        member.held.extend(entry for entry in entries if entry.skip != member.peer.id)
                    continue
                peer = member.peer
                if skips and peer.id in skips:
                    own = Block(stream.name, codec, [e for e in entries if e.skip != peer.id])
                    taken = not own.entries or peer.take(own)
                else:
                    taken = peer.take(block)
                if not taken:
                    self._overflowed(member, entries)
            self.delivered += len(members) * len(entries)

    def _overflowed(self, member: Member, entries: Sequence[Entry]) -> None:
        if member.peer.overflow(len(entries)) and entries[0].number:
            member.behind = True
            member.number = entries[0].number - 1
            member.task = self.spawn(self.catch_up(member))

    # -- members ------------------------------------------------------------------------------------------

    async def join(
        self,
        peer: Peer,
        channel: str,
        codec: Codec,
        place: Place | None = None,
        *,
        last: int = 0,
        missed: Missed | None = None,
        first: Callable[[], Awaitable[None]] | None = None,
        stop: Callable[[Entry], bool] | None = None,
    ) -> Member:
        """Adds a peer to a channel. With a `place` it first gets what came after it, with `last` that many of the newest;
        nothing is between that and what comes. `missed` tells it where a part is no longer kept; `first` is
        awaited before anything is sent, when nothing that happens from then on is missed."""
        member = await self.enter(peer, channel, codec, place, last=last, missed=missed)
        member.stop = stop
        try:
            if first is not None:
                await first()
            await self.catch_up(member)
        except BaseException:
            self.leave(member)
            raise
        return member

    def attach(self, peer: Peer, channel: str, codec: Codec) -> Member:
        """Adds a peer to a channel of which nothing is kept, or whose history it does not want."""
        stream = self.streams.get(channel)
        if stream is None:
            stream = self.streams[channel] = Stream(channel)
        member = Member(peer, channel, codec, None)
        stream.members.setdefault(codec, {})[member] = None
        return member

    async def enter(
        self,
        peer: Peer,
        channel: str,
        codec: Codec,
        place: Place | None = None,
        *,
        last: int = 0,
        missed: Missed | None = None,
    ) -> Member:
        """The first half of `join`: from here on nothing is missed, and nothing sent before `catch_up`."""
        member = Member(peer, channel, codec, missed)
        member.behind = True
        stream = self.streams.get(channel)
        if stream is None:
            stream = self.streams[channel] = Stream(channel)
        stream.members.setdefault(codec, {})[member] = None
        try:
            if self.relay is not None:
                await self.relay.listening()
            await self._begin(stream, member, place, last)
        except BaseException:
            self.leave(member)
            raise
        return member

    async def _begin(self, stream: Stream, member: Member, place: Place | None, last: int) -> None:
        """Finds out where a member begins."""
        if place is None:
            past = await self.read(log.since, self.space, stream.name, last=last, limit=0)
        else:
            past = await self.read(log.since, self.space, stream.name, place, limit=0)
        top, floor = (0, 0) if past.channel is None else (past.channel.top, past.channel.floor)
        if stream.number < 0:
            stream.epoch = "" if past.channel is None else past.channel.epoch
            stream.number = top
            if stream.hint > top:
                self.fill(stream)
        if place is None:
            member.number = max(top - last, floor)
            return
        member.number = max(0 if past.again else place.number, floor)
        member.past = past if past.again or past.missing else None

    async def catch_up(self, member: Member) -> None:
        """Reads from the store until there is nothing that the others have and this member has not."""
        if member.past is not None and member.missed is not None:
            member.missed(member.peer, member.channel, member.past)
        member.past = None
        while not member.peer.closed:
            stream = self.streams.get(member.channel)
            if stream is None or member not in stream.members.get(member.codec, {}):
                return
            if member.number > stream.number:  # it has read what the others are about to get
                self.hinted(member.channel, stream.epoch, member.number)
                if stream.filling is not None:
                    await asyncio.wait((stream.filling,))
                continue
            if member.number == stream.number:
                member.behind = False  # no await since the comparison: the next delivery includes it
                held, member.held = member.held, []
                if held:
                    member.peer.take(Block(member.channel, member.codec, held))
                return
            epoch = stream.epoch
            past = await self._after(stream, member.number)
            if stream.epoch != epoch:
                continue
            if past.missing and member.missed is not None:
                member.missed(member.peer, member.channel, past)
            if not past.entries:
                member.number = max(member.number, 0 if past.channel is None else past.channel.top)
            for part in portions(past.entries):
                await member.peer.room()
                if not self._portion(member, part):
                    break

    def _portion(self, member: Member, entries: Sequence[Entry]) -> bool:
        """Gives some entries to a member that catches up; False where it takes no more."""
        last = next((n for n, entry in enumerate(entries, 1) if self._stops(member, entry)), None)
        if not member.peer.take(Block(member.channel, member.codec, entries[:last])):
            return False
        member.number = entries[-1].number
        if last is not None:
            self.leave(member)
        return last is None

    def _stops(self, member: Member, entry: Entry) -> bool:
        return entry.event in self.control and member.stop is not None and member.stop(entry)

    def leave(self, member: Member) -> None:
        """Takes a peer out of a channel."""
        stream = self.streams.get(member.channel)
        if stream is None:
            return
        members = stream.members.get(member.codec, {})
        members.pop(member, None)
        if not members:
            stream.members.pop(member.codec, None)
        if not stream.members:
            self.streams.pop(member.channel, None)

    # -- the rest -----------------------------------------------------------------------------------------

    def ask(self, what: dict[str, Any]) -> None:
        """Tells every process, this one included, something about its connections (`on_ask`)."""
        self.asked(what)
        if self.relay is not None:
            self.relay.ask(what)

    def asked(self, what: dict[str, Any]) -> None:
        """Takes what somebody asked of every process."""
        if self.on_ask is not None:
            self.on_ask(what)

    def lost(self) -> None:
        """Something may have been missed: every channel reads the store."""
        for stream in list(self.streams.values()):
            self.fill(stream)
        if self.on_lost is not None:
            self.on_lost()

    def close(self) -> None:
        """Ends what runs for it."""
        self.stop_work()
        self._group.stop_work()
        if self.relay is not None:
            self.relay.close()

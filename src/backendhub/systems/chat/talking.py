"""`chat talk`: a room on a terminal, which comes back by itself and goes on where it was."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from backendhub.kit.errors import HubError, Upstream
from backendhub.kit.ids import uuid7
from backendhub.kit.output import Output

from .client import Http, Wire

PATIENCE_S = 30.0
OUT = ("left", "kicked", "banned")


class Talk:
    """One room, shown and typed into."""

    def __init__(self, http: Http, room: str, output: Output) -> None:
        self.http = http
        self.room = room
        self.output = output
        self.me: str = http.ask("GET", "/me")["id"]
        self.place: str | None = None
        self.out = threading.Event()
        self._device = f"terminal-{uuid7()}"
        self._wire: Wire | None = None

    def run(self, last: int) -> None:
        """Shows the last messages, then what comes, and sends what is typed. Raises HubError."""
        listening = next(r for r in self.http.ask("GET", "/rooms") if r["id"] == self.room)
        self.place = listening["place"]
        if last:
            for message in self.http.ask("GET", self.http.path(self.room, "messages"), limit=last):
                if message["number"] <= listening["top"]:
                    self.show("message", message)
        self._wire = self._connect()
        if sys.stdin.isatty():
            self.output.note(f"You are in {listening['name']}. Type, and press Enter; Ctrl-D leaves.")
        try:
            for line in sys.stdin:
                if self.out.is_set():
                    break
                if text := line.strip():
                    self._send(text)
        except KeyboardInterrupt:
            pass
        finally:
            if self._wire is not None:
                self._wire.close()

    def _connect(self) -> Wire:
        assert self.http.token is not None
        since = {self.room: self.place} if self.place else {}
        return Wire(self.http.url, self.http.token, heard=self.heard, device=self._device, since=since)

    def _send(self, text: str) -> None:
        """Sends a line; what was not confirmed is sent again under the same id, so that it is there once."""
        txn, end = uuid7(), time.monotonic() + PATIENCE_S
        while True:
            try:
                if self._wire is None or not self._wire.open:
                    self._wire = self._connect()
                self._wire.ask("send", room=self.room, text=text, txn=txn)
                return
            except Upstream:
                if time.monotonic() > end:
                    raise
                self._wire = None
                time.sleep(0.5)
            except HubError as error:
                self.output.note(error.message)
                return

    def heard(self, event: str, data: Any) -> None:
        """Takes what the server tells."""
        if data.get("room") != self.room:
            return
        if "id" in data:
            self.place = data["id"]
        if event in OUT and data["user"] == self.me:
            self.output.note(f"You are no longer in this room ({event}).")
            self.out.set()
            return
        self.show(event, data)

    def show(self, event: str, data: dict[str, Any]) -> None:
        """Shows an event, where it is one for people."""
        line = {
            "message": lambda: f"{data['name']}: {data['text']}{_file(data)}",
            "edited": lambda: f"  (message {data['message']} now reads: {data['text']})",
            "deleted": lambda: f"  (message {data['message']} was deleted)",
            "reacted": lambda: f"  ({data['name']} {data['emoji']} message {data['message']})",
            "joined": lambda: f"  ({data['name']} has come)",
            "left": lambda: f"  ({data['name']} has left)",
            "kicked": lambda: f"  ({data['name']} was put out)",
            "banned": lambda: f"  ({data['name']} was banned)",
        }.get(event)
        if line is not None:
            self.output.line(line())
            self.output.stdout.flush()


def _file(data: dict[str, Any]) -> str:
    file = data.get("attachment")
    return f" [{file['name']}, {file['size']:,} bytes]" if file else ""

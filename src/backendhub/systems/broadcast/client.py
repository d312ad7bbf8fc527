"""The client behind `broadcast connect`. It comes back by itself and goes on where it was."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from backendhub.kit.errors import HubError, Upstream
from backendhub.kit.output import Output

JSON = "broadcast.json"
START = "backendhub broadcast start"
WINDOW = 200
"""Messages from a pipe that may wait for their confirmation."""
PATIENCE_S = 30.0
"""How long a confirmation may take, and how long a server may be away before a listener gives up."""
MAX_PAUSE_S = 5.0


class Target(NamedTuple):
    """Where to connect to, and where to begin."""

    url: str
    channel: str
    last: int = 0
    token: str | None = None

    def open(self, since: str | None = None, *, mute: bool = False) -> ClientConnection:
        """Connects; `mute`: only to send. Raises Upstream."""
        query = {"channel": self.channel} | ({"since": since} if since else {"last": str(self.last)})
        query |= {"mute": "true"} if mute else {}
        url = f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(query)}"
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else None
        try:
            link = connect(
                url,
                subprotocols=[Subprotocol(JSON)],
                additional_headers=headers,
                open_timeout=10,
                close_timeout=3,
                compression=None,
                max_size=None,
            )
            return link.__enter__()
        except InvalidStatus as error:
            raise _refused(self.url, error.response) from None
        except ConnectionRefusedError:
            raise Upstream(f"No server at {self.url}.", hint=START) from None
        except (OSError, InvalidHandshake, TimeoutError) as error:
            raise Upstream(f"Cannot connect to {self.url}: {error or 'no answer'}", hint=START) from None


def _refused(url: str, response: Response) -> Upstream:
    """Why a server did not take us, in its own words where it is one of ours."""
    try:
        why = json.loads(response.body or b"")["detail"]
    except (ValueError, KeyError, TypeError):
        why = f"HTTP {response.status_code}"
    hint = f"{START}; another server uses this address" if response.status_code == 404 else None
    return Upstream(f"{url} did not take the connection: {why}", hint=hint)


def run(target: Target, output: Output, *, listen: bool) -> None:
    """Sends lines and shows messages until the input or the connection ends. Raises Upstream."""
    if not listen and not sys.stdin.isatty():
        count = _pipe(target)
        output.note(f"{count} message{'s' if count != 1 else ''} sent to {target.channel}.")
        return
    session = Session(target, output)
    try:
        if listen:
            session.read()
        else:
            output.note(f"Connected to {target.channel}. Type, and press Enter; Ctrl-D leaves.")
            reader = threading.Thread(target=session.read, daemon=True)
            reader.start()
            session.type()
    except KeyboardInterrupt:
        pass
    finally:
        session.close()
    if session.failure is not None:
        raise session.failure


class Session:
    """A connection that is shown on a terminal and made again when it breaks."""

    def __init__(self, target: Target, output: Output) -> None:
        self.target = target
        self.output = output
        self.failure: HubError | None = None
        self._since: str | None = None
        self._link = target.open()
        self._over = threading.Event()

    def read(self) -> None:
        """Shows messages until the session ends."""
        while not self._over.is_set():
            try:
                for message in self._link:
                    self._show(json.loads(message))
                code = self._link.close_code
            except ConnectionClosed as error:
                code = error.rcvd.code if error.rcvd else 1006
            if self._over.is_set():
                return
            if code == 1008:
                self.failure = Upstream("The server has ended the connection.")
                return
            try:
                self._again()
            except HubError as error:
                self.failure = error
                return

    def _again(self) -> None:
        self.output.note("The connection is gone; trying to get it back.")
        pause, end = 0.2, time.monotonic() + PATIENCE_S
        while True:
            try:
                self._link = self.target.open(self._since)
            except Upstream:
                if time.monotonic() > end:
                    raise
                if self._over.wait(pause):
                    return
                pause = min(pause * 2, MAX_PAUSE_S)
            else:
                self.output.note("Connected again.")
                return

    def _show(self, told: dict[str, Any]) -> None:
        if "gap" in told:
            missed = told["gap"]["missed"]
            self.output.note(f"{'Some' if missed is None else missed} messages are no longer kept.")
        elif "error" in told:
            self.output.note(told["error"])
        elif "data" in told:
            self._since = told["id"] or self._since
            if self.output.format in ("json", "ndjson"):
                self.output.line(json.dumps(told, ensure_ascii=False))
            else:
                event = f"[{told['event']}] " if told.get("event") else ""
                self.output.line(event + told["data"])
            self.output.stdout.flush()

    def type(self) -> None:
        """Sends what is typed, line by line."""
        for line in sys.stdin:
            if self.failure is not None:
                return
            if text := line.rstrip("\n"):
                try:
                    self._link.send(json.dumps({"data": text}))
                except ConnectionClosed:
                    self.output.note("Not sent: there is no connection.")

    def close(self) -> None:
        """Says goodbye."""
        self._over.set()
        self._link.close()


def _lines() -> Iterator[str]:
    for line in sys.stdin:
        if text := line.rstrip("\r\n"):
            yield text


def _pipe(target: Target) -> int:
    """Sends each line of stdin and waits until all are stored. Raises Upstream where that is not known of some."""
    sent = confirmed = 0
    with target.open(mute=True) as link:
        try:
            for text in _lines():
                link.send(json.dumps({"data": text, "ref": sent + 1}))
                sent += 1
                while sent - confirmed >= WINDOW:
                    confirmed += _confirmed(link)
            while confirmed < sent:
                confirmed += _confirmed(link)
        except (ConnectionClosed, TimeoutError):
            raise Upstream(
                f"The connection broke: {confirmed} of {sent} messages are known to be stored."
            ) from None
    return sent


def _confirmed(link: ClientConnection) -> int:
    told = json.loads(link.recv(timeout=PATIENCE_S))
    if "error" in told:
        raise Upstream(told["error"])
    return 1 if "ack" in told else 0

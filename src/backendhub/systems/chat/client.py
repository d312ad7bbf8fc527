"""A client of the chat: HTTP for what is asked, Socket.IO for what happens."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote, urlencode

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from backendhub.kit.errors import Denied, HubError, NotFound, Unauthenticated, Upstream

PATIENCE_S = 20.0
ERRORS: dict[int, type[HubError]] = {401: Unauthenticated, 403: Denied, 404: NotFound}
Told = dict[str, Any]


class Http:
    """The routes of a server, for one account."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.token = token

    def ask(self, method: str, path: str, body: Told | None = None, **query: Any) -> Any:
        """The answer to a request. Raises HubError as the server told it, Upstream where it cannot be reached."""
        import httpx

        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        given = {name: value for name, value in query.items() if value is not None}
        try:
            reply = httpx.request(
                method, self.url + path, json=body, params=given, headers=headers, timeout=PATIENCE_S
            )
        except httpx.HTTPError as error:
            raise Upstream(f"Cannot reach {self.url}: {error}", hint="backendhub serve chat") from None
        if reply.is_success:
            return reply.json() if reply.content else None
        raise _failure(reply.status_code, reply.text)

    def room(self, name: str) -> Told:
        """A room of one's own by name or id, or a public one. Raises NotFound."""
        known = self.ask("GET", "/rooms")
        found = next((room for room in known if name in (room["id"], room["name"])), None)
        if found is None:
            public = self.ask("GET", "/rooms/public", name=name, limit=1)
            found = next((room for room in public if room["name"] == name), None)
        if found is None:
            raise NotFound(f"There is no room {name!r}.", hint="backendhub chat rooms")
        room: Told = found
        return room

    def path(self, room: str, *parts: object) -> str:
        """The address of something in a room."""
        return "/".join(["/rooms", room, *(quote(str(part), safe="") for part in parts)])


def _failure(status: int, text: str) -> HubError:
    try:
        problem = json.loads(text)
        message, hint = problem["detail"], problem.get("hint")
    except (ValueError, KeyError, TypeError):
        message, hint = f"The server answered with {status}.", None
    return ERRORS.get(status, Upstream)(message, hint=hint)


class Wire:
    """A Socket.IO connection. `heard` is called, in a thread, with each event and its data."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        heard: Callable[[str, Any], None],
        device: str = "",
        since: dict[str, str] | None = None,
    ) -> None:
        """Connects and enters. Raises Unauthenticated, Upstream."""
        address = url.rstrip("/").replace("http", "ws", 1)
        query = urlencode({"EIO": 4, "transport": "websocket"})
        try:
            self._link = connect(
                f"{address}/socket.io/?{query}", compression=None, open_timeout=10, close_timeout=2
            ).__enter__()
            self._link.recv(timeout=PATIENCE_S)
            auth = {"token": token, "device": device, "since": since or {}}
            self._link.send("40" + json.dumps(auth))
            answer = str(self._link.recv(timeout=PATIENCE_S))
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
            raise Upstream(f"Cannot connect to {url}: {error}", hint="backendhub serve chat") from None
        if answer.startswith("44"):
            self._link.close()
            raise Unauthenticated(json.loads(answer[2:])["message"], hint="backendhub chat sign-in")
        self.code: int | None = None
        """Why it ended, once it has."""
        self._heard = heard
        self._numbers = itertools.count(1)
        self._acks: dict[int, Future[Told]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, event: str, **data: Any) -> Told:
        """Sends an event and gives its acknowledgement. Raises HubError as told, Upstream where none comes."""
        number = next(self._numbers)
        answer = self._acks[number] = Future()
        try:
            self._link.send(f"42{number}" + json.dumps([event, data]))
            told = answer.result(PATIENCE_S)
        except (ConnectionClosed, TimeoutError):
            raise Upstream("The connection broke.") from None
        finally:
            self._acks.pop(number, None)
        if "error" in told:
            error = told["error"]
            raise ERRORS.get(error["status"], HubError)(error["message"])
        return told

    def _read(self) -> None:
        try:
            for packet in self._link:
                text = str(packet)
                if text == "2":
                    self._link.send("3")
                elif text == "41":  # the server has put us out
                    self._link.close()
                elif text.startswith("42"):
                    self._heard(*json.loads(text[2:]))
                elif text.startswith("43"):
                    number, _, rest = text[2:].partition("[")
                    if (answer := self._acks.get(int(number))) is not None:
                        answer.set_result(json.loads("[" + rest)[0])
            self.code = self._link.close_code
        except ConnectionClosed as error:
            self.code = error.rcvd.code if error.rcvd else 1006
        for answer in list(self._acks.values()):
            if not answer.done():
                answer.set_exception(TimeoutError())

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return self._reader.is_alive()

    def close(self) -> None:
        """Says goodbye."""
        self._link.close()

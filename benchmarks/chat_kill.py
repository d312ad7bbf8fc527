"""Servers of `chat` killed under load: python benchmarks/chat_kill.py [--rounds 50] [--postgres URL --redis URL]

Four clients send to one room, each message with a transaction id that is repeated until it is confirmed, while others only
listen. One server is killed with SIGKILL in the middle of it and started again. With PostgreSQL and Redis there are three
servers; one of them is killed, and its clients go to another. Then, for every round:

- every confirmed message is in the history once, and no transaction id is there twice;
- every listener, coming back with its place as often as it has to, has heard every message once, in the order of the numbers.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from typing import Any

from backendhub.kit.errors import HubError
from backendhub.systems.chat.client import Http, Wire

PASSWORD = "correct horse battery"
SENDERS, LISTENERS, EACH = 4, 3, 40


class Server:
    """One process; it keeps its port over its deaths."""

    def __init__(self, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.options = options
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "backendhub", "serve", "chat", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--log-format", "none", *self.options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server does not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Client:
    """Somebody who is connected to any of the servers, and comes back."""

    def __init__(self, servers: list[Server], token: str, room: str, place: str) -> None:
        self.servers, self.token, self.room, self.place = servers, token, room, place
        self.heard: list[tuple[int, str]] = []
        self.returns = 0
        self.stopped = False
        self.wire: Wire | None = None

    def take(self, event: str, data: Any) -> None:
        if isinstance(data, dict) and "id" in data and data.get("room") == self.room:
            self.place = data["id"]
            if event == "message":
                self.heard.append((data["number"], data["txn"]))

    def connect(self, device: str = "") -> Wire:
        """A connection, whichever server has it."""
        while True:
            if self.wire is not None:
                if self.wire.open:
                    return self.wire
                self.wire._reader.join()
                self.returns += 1
            try:
                url = random.choice(self.servers).url
                since = {self.room: self.place}
                self.wire = Wire(url, self.token, heard=self.take, device=device, since=since)
            except HubError:
                self.wire = None
                time.sleep(0.05)

    def listen(self) -> None:
        while not self.stopped:
            self.connect()
            time.sleep(0.02)

    def send(self, device: str, count: int, confirmed: list[str]) -> None:
        for n in range(count):
            txn = f"{device}:{n}"
            while True:
                try:
                    self.connect(device).ask("send", room=self.room, text=txn, txn=txn)
                    confirmed.append(txn)
                    break
                except HubError as error:
                    if error.status == 429 or "Too many" in error.message:
                        time.sleep(0.3)
            time.sleep(random.random() * 0.01)


def round_(servers: list[Server], people: list[tuple[str, str]], number: int) -> tuple[int, int]:
    """One round; gives messages and reconnections. Raises AssertionError."""
    http = Http(servers[0].url, people[0][1])
    names = [name for name, _ in people[1:]]
    room = http.ask("POST", "/rooms", {"name": f"Round {number}", "kind": "private", "members": names})["id"]
    place = http.ask("GET", f"/rooms/{room}/events")[-1]["id"]
    listeners = [Client(servers, token, room, place) for _, token in people[-LISTENERS:]]
    senders = [Client(servers, token, room, place) for _, token in people[:SENDERS]]
    confirmed: list[str] = []
    tasks = [threading.Thread(target=each.listen) for each in listeners]
    sending = [
        threading.Thread(target=each.send, args=(f"{room[-12:]}-{n}", EACH, confirmed))
        for n, each in enumerate(senders)
    ]
    for task in tasks + sending:
        task.start()
    while len(confirmed) < random.randint(20, SENDERS * EACH // 2):
        time.sleep(0.005)
    victim = random.choice(servers)
    victim.kill()
    if len(servers) > 1:
        time.sleep(0.5)
    victim.start()
    for task in sending:
        task.join()
    stored: list[dict[str, Any]] = []
    while page := http.ask(
        "GET", f"/rooms/{room}/messages", after=stored[-1]["number"] if stored else 0, limit=100
    ):
        stored += page
    txns = [m["txn"] for m in stored]
    assert len(txns) == len(set(txns)), "a transaction id is there twice"
    assert set(confirmed) <= set(txns), f"lost: {set(confirmed) - set(txns)}"
    expected = [(m["number"], m["txn"]) for m in stored]
    end = time.monotonic() + 30
    while any(len(each.heard) < len(expected) for each in listeners) and time.monotonic() < end:
        time.sleep(0.02)
    for each in listeners:
        each.stopped = True
    for task in tasks:
        task.join()
    for each in listeners + senders:
        if each.wire is not None:
            each.wire.close()
    for each in listeners:
        assert each.heard == expected, f"a listener heard {len(each.heard)} of {len(expected)}"
    return len(expected), sum(each.returns for each in listeners + senders)


def run(rounds: int, count: int, *options: str) -> tuple[int, int]:
    """All rounds; gives messages and reconnections in all."""
    servers = [Server(*options) for _ in range(count)]
    try:
        people = []
        for n in range(SENDERS + LISTENERS):
            name = f"user{n}-{uuid.uuid4().hex[:6]}"
            given = Http(servers[0].url).ask("POST", "/register", {"username": name, "password": PASSWORD})
            people.append((name, given["token"]))
        found = [round_(servers, people, n) for n in range(rounds)]
    finally:
        for server in servers:
            server.kill()
    return sum(messages for messages, _ in found), sum(returns for _, returns in found)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--postgres", help="an empty schema of PostgreSQL")
    parser.add_argument("--redis")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        if given.postgres:
            options = ("--database", given.postgres, "--redis", given.redis, "--files", folder)
            found = run(given.rounds, 3, *options)
        else:
            found = run(given.rounds, 1)
    print(
        f"{given.rounds} kills, {found[0]:,} messages, {found[1]} reconnections: none lost, none twice, one order"
    )


if __name__ == "__main__":
    main()

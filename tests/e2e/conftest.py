"""A server as its users start it: a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from threading import Thread

import httpx
import pytest


class Server:
    """`backendhub serve …` on a free port."""

    def __init__(self, command: list[str], args: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*command, *args], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.err: list[str] = []
        first: Queue[str] = Queue()
        self.threads = [
            Thread(target=lambda: [first.put(line) for line in self.process.stdout or ()], daemon=True),
            Thread(target=lambda: self.err.extend(self.process.stderr or ()), daemon=True),
        ]
        for thread in self.threads:
            thread.start()
        self.banner = first.get(timeout=30)
        match = re.search(r"http://\S+?:(\d+)/", self.banner)
        assert match, self.banner
        self.url = match[0].rstrip("/")
        self.port = int(match[1])
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Sends a signal and gives the exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(sig)
        code = self.process.wait(20)
        for thread in self.threads:
            thread.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


@pytest.fixture
def serve(command: list[str], tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """`serve("task")`: a running server, stopped at the end; on a free port, or the one that is named."""
    with ExitStack() as stack:

        def start(*args: str, port: int = 0) -> Server:
            server = Server(command, ["serve", *args, "--port", str(port)], dict(os.environ))
            stack.callback(server.stop)
            return server

        yield start

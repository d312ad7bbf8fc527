"""Child processes: an argv array, a process group of their own, a watchdog, the tail of stderr kept.

A child never outlives its `with` block. When this process is killed outright, the child's next write meets
a closed pipe, so that nothing is left running either.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, NoReturn, Self

from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, TIMED_OUT, BackupError
from backendhub.systems.backup.streams import Reader

from .base import Deadline

BLOCK = 1 << 20
TAIL = 8192
GRACE = 5.0
NEW_PROCESS_GROUP = 0x200  # subprocess.CREATE_NEW_PROCESS_GROUP, which only Windows defines
CONNECT_SIGNS = (
    "could not connect",
    "connection to server at",
    "connection to server on",
    "Can't connect to",
    "Access denied",
    "authentication failed",
    "no password supplied",
    "Unknown database",
    "server version mismatch",
    "permission denied",
    "must be superuser",
    "command denied",
)
Failed = Callable[[str, str, int], BackupError]


def environment(**extra: str) -> dict[str, str]:
    """The inherited environment with untranslated messages and no inherited secrets or client defaults."""
    banned = ("PGPASSWORD", "MYSQL_PWD", "PGOPTIONS", "PGSERVICE", "PGDATABASE", "PGHOSTADDR")
    kept = {key: value for key, value in os.environ.items() if key not in banned}
    return kept | {"LC_ALL": "C", "LANGUAGE": "C"} | extra


def last_lines(text: str, count: int = 4) -> str:
    """The last few lines of what a program said, on one line: the useful end of an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-count:])


def source_failed(doing: str, stderr: str, code: int) -> BackupError:
    """The error of a program that failed: 20 if it never got in, else 21, with the end of what it said."""
    said = last_lines(stderr) or "it said nothing"
    exit_code = CANNOT_CONNECT if any(sign in stderr for sign in CONNECT_SIGNS) else SOURCE_FAILED
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return BackupError(f"{doing} {ended}: {said}", exit_code, stderr=stderr)


class Child:
    """A running program. Use as a context manager; `finish()` proves that it succeeded."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        doing: str = "",
        deadline: Deadline | None = None,
        stdin: bool | IO[bytes] = False,
        stdout: bool | IO[bytes] = True,
        env: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
        cwd: Path | None = None,
        account: str | None = None,
        failed: Failed = source_failed,
    ) -> None:
        self.doing = doing or Path(argv[0]).name
        self.deadline = deadline or Deadline()
        self._failed = failed
        self._timed_out = ""
        self._waiting: float | None = None
        self._done = threading.Event()
        self._tail = bytearray()
        own: dict[str, object] = {
            "stdin": _end(stdin),
            "stdout": _end(stdout),
            "stderr": subprocess.PIPE,
            "env": dict(env) if env is not None else environment(),
            "cwd": cwd,
        }
        own |= (
            {"start_new_session": True, "pass_fds": tuple(fds)}
            if os.name == "posix"
            else {"creationflags": NEW_PROCESS_GROUP}
        )
        if account is not None:
            own |= {"user": account, "group": account, "extra_groups": []}
        self._process = _spawn(argv, own)
        if stdout is True:
            _widen(self._process.stdout)
        self._threads = [
            threading.Thread(target=work, daemon=True, name=f"{self.doing}-{work.__name__}")
            for work in (self._drain_stderr, self._watch)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    @property
    def stderr(self) -> str:
        """The end of what it wrote to stderr so far."""
        return bytes(self._tail).decode("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for thread in self._threads:
            thread.join(GRACE)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def read(self, size: int = BLOCK) -> bytes:
        """Up to `size` bytes of stdout, as soon as there are some; b'' at its end."""
        assert self._process.stdout is not None
        with self._waits():
            data: bytes = os.read(self._process.stdout.fileno(), size)
        if not data:
            self._raise_if_timed_out()
        return data

    def blocks(self) -> Iterator[bytes]:
        """Stdout until its end."""
        while data := self.read():
            yield data

    def write(self, data: bytes | memoryview, *, may_leave: bool = False) -> bool:
        """Feeds stdin; a program that ended early is reported with its own words. False: it has left."""
        assert self._process.stdin is not None
        try:
            with self._waits():
                self._process.stdin.write(data)
                self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            self._raise_if_timed_out()
            if self._wait() == 0 and may_leave:
                return False
            self._give_up()
        return True

    def feed(self, reader: Reader, *, may_leave: bool = False) -> None:
        """Copies a stream into stdin and closes it; `may_leave`: the program need not read all of it."""
        while data := reader.read(BLOCK):
            if not self.write(data, may_leave=may_leave):
                break
        self.close_stdin()

    def close_stdin(self) -> None:
        """Tells the program that there is no more input."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def finish(self) -> None:
        """Waits for the end; anything but exit code 0 is an error."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self.close_stdin()
        code = self._wait()
        self._raise_if_timed_out()
        if code != 0:
            self._give_up()

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def stop(self, sign: int = signal.SIGTERM, grace: float = GRACE) -> None:
        """Stops the whole group, gently first."""
        if self._process.poll() is None:
            self._signal(sign)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                self._process.wait()
        self._done.set()

    def _wait(self) -> int:
        with self._waits():
            code = self._process.wait()
        self._threads[0].join(GRACE)
        return code

    def _give_up(self) -> NoReturn:
        raise self._failed(self.doing, self.stderr, self._process.returncode)

    @contextmanager
    def _waits(self) -> Iterator[None]:
        # Only time spent waiting for the program counts as a stall; a slow repository is not its fault.
        self._waiting = time.monotonic()
        try:
            yield
        finally:
            self._waiting = None

    def _raise_if_timed_out(self) -> None:
        if self._timed_out:
            raise BackupError(
                f"{self.doing} {self._timed_out} and was stopped.",
                TIMED_OUT,
                hint="Look for a lock on the server, or raise --timeout.",
                stderr=self.stderr,
            )

    def _signal(self, sign: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            if os.name == "posix":
                os.killpg(self._process.pid, sign)
            else:
                self._process.terminate()

    def _drain_stderr(self) -> None:
        assert self._process.stderr is not None
        with suppress(OSError, ValueError):
            while data := os.read(self._process.stderr.fileno(), 65536):
                self._tail = (self._tail + data)[-TAIL:]

    def _watch(self) -> None:
        if self.deadline.at is None and self.deadline.stall is None:
            return
        while not self._done.wait(0.1):
            since, stall = self._waiting, self.deadline.stall
            if self.deadline.remaining() == 0.0:
                self._timed_out = "ran out of time"
            elif stall is not None and since is not None and time.monotonic() - since > stall:
                self._timed_out = f"gave no sign of life for {stall:g} s"
            if self._timed_out:
                self._signal(signal.SIGTERM)
                if not self._done.wait(GRACE):
                    self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                return


def _spawn(argv: Sequence[str | Path], options: dict[str, object]) -> subprocess.Popen[bytes]:
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            [os.fspath(word) for word in argv], **options
        )
    except FileNotFoundError:
        raise BackupError(
            f"{Path(argv[0]).name} is not installed.",
            CANNOT_CONNECT,
            hint="Install the database's client programs (postgresql-client, mariadb-client).",
        ) from None
    except (OSError, ValueError) as problem:
        raise BackupError(f"{argv[0]} cannot be started: {problem}.", CANNOT_CONNECT) from problem
    return process


def _widen(pipe: IO[bytes] | None) -> None:
    # 64 KiB at a time costs a context switch each; Linux gives up to 1 MiB without asking for rights.
    if sys.platform == "linux" and pipe is not None:
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, BLOCK)


def _end(wanted: bool | IO[bytes]) -> int | IO[bytes]:
    if wanted is True:
        return subprocess.PIPE
    return subprocess.DEVNULL if wanted is False else wanted


@contextmanager
def terminating() -> Iterator[None]:
    """Turns SIGTERM into SystemExit(143) for a block, so that children are stopped and temporaries removed."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def output(argv: Sequence[str | Path], *, limit: int = 1 << 26, **options: object) -> bytes:
    """Runs a program to its end and returns its stdout, which may not exceed `limit`."""
    with Child(argv, **options) as child:  # type: ignore[arg-type]
        found = bytearray()
        for data in child.blocks():
            found += data
            if len(found) > limit:
                raise BackupError(f"{child.doing} answered more than {limit} bytes.", SOURCE_FAILED)
        child.finish()
    return bytes(found)

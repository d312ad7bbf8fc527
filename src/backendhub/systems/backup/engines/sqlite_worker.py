"""The parent's end of the SQLite worker: frames read, and each refusal of SQLite given words of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from backendhub.kit.errors import Conflict, NotFound
from backendhub.systems.backup.models import CANNOT_CONNECT, SOURCE_FAILED, STORAGE, BackupError

from .base import Deadline
from .child import Child

MODULE = "backendhub.systems.backup.engines.sqlite_child"
HEADER = 5


class Worker(Child):
    """The child process with one command under way."""

    def __init__(self, command: Sequence[Any], *, doing: str, path: Path, deadline: Deadline | None) -> None:
        self.path = path
        self._left = b""
        argv = [sys.executable, "-m", MODULE]
        super().__init__(argv, doing=doing, deadline=deadline, stdin=True)
        self.write(json.dumps(list(command)).encode())
        self.close_stdin()

    def frames(self) -> Iterator[tuple[bytes, bytes]]:
        """What it says, frame by frame; an error frame is raised."""
        while head := self._exactly(HEADER):
            kind, size = head[:1], int.from_bytes(head[1:])
            data = self._exactly(size)
            if kind == b"E":
                self._explain(json.loads(data))
            yield kind, data
        self.finish()

    def report(self) -> Any:
        """The one JSON answer of a short command."""
        answers = [json.loads(data) for _, data in self.frames()]
        if len(answers) != 1:
            raise BackupError(f"{self.doing} gave no answer: {self.stderr}", SOURCE_FAILED)
        return answers[0]

    def _exactly(self, size: int) -> bytes:
        data = self.read(size)
        if len(data) == size or not data:
            return data
        parts = [data]
        missing = size - len(data)
        while missing and (data := self.read(missing)):
            parts.append(data)
            missing -= len(data)
        if missing:
            self.finish()
            raise BackupError(f"{self.doing} ended in the middle.", SOURCE_FAILED)
        return b"".join(parts)

    def _explain(self, error: dict[str, Any]) -> NoReturn:
        kind, text = error["kind"], error["text"]
        if kind == "LookupError":
            raise NotFound(f"A table is {text}.")
        if kind == "FileExistsError":
            raise Conflict(f"A table is {text}.", hint="--replace overwrites it.")
        message, code, hint = explain(error, self.path)
        raise BackupError(message, code, hint=hint)


def explain(error: dict[str, Any], path: Path) -> tuple[str, int, str | None]:
    """A message of its own, the exit code and a hint for each way in which SQLite refuses a file."""
    kind, code, text = error["kind"], error["code"], error["text"]
    journal = path.with_name(path.name + "-journal").exists()
    if kind in ("BusyError", "LockedError"):
        return f"{path} is locked by another process.", SOURCE_FAILED, "Retry, or raise lock_timeout=."
    if kind == "NotADBError":
        return f"{path} is not an SQLite database (or is encrypted).", CANNOT_CONNECT, None
    if kind == "CorruptError":
        return (
            f"{path} is malformed and cannot be read: {text}.",
            SOURCE_FAILED,
            "Restore an earlier snapshot.",
        )
    if kind in ("ReadOnlyError", "CantOpenError") and journal:
        return (
            f"{path} has a hot journal, and without write permission it cannot be rolled back.",
            CANNOT_CONNECT,
            "Run as the owner of the file, or let its application open it once.",
        )
    if kind in ("ReadOnlyError", "CantOpenError") and error["wal"]:
        return (
            f"{path} is in WAL mode, which needs write permission on its directory.",
            CANNOT_CONNECT,
            "Run as the owner of the file.",
        )
    if kind in ("ReadOnlyError", "CantOpenError", "PermissionsError", "AuthError"):
        return f"{path} cannot be opened: {text}.", CANNOT_CONNECT, None
    if kind in ("IOError", "FullError"):
        return f"{path}: {text}.", STORAGE, None
    return f"{path}: {kind}: {text} (SQLite result {code}).", SOURCE_FAILED, None

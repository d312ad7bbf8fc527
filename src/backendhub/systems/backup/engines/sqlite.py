"""SQLite: pages streamed through the backup interface from a child process, without a temporary file.

The stored order is pages 2..N, then page 1, because SQLite finishes page 1 last; restore puts it back.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import (
    CANNOT_CONNECT,
    CORRUPT,
    SOURCE_FAILED,
    STORAGE,
    BackupError,
    Check,
    Dump,
    Type,
)
from backendhub.systems.backup.streams import Sink, Source

from .base import Deadline, Drill, Dsn, Log, Restored, chosen_tables
from .compare import CompareSink
from .sqlite_worker import Worker

STREAM = "pages"


class SqliteEngine:
    """One SQLite file."""

    def __init__(self, dsn: Dsn, options: Mapping[str, Any]) -> None:
        if chosen_tables(options):
            hint = "Choose them at restore: restore --tables."
            raise Invalid("An SQLite file is always backed up whole.", hint=hint)
        self.dsn = dsn
        self.options = options
        self.lock_timeout = float(options.get("lock_timeout", 10))

    @property
    def path(self) -> Path:
        """The file, absolute: SQLite gives names like `:memory:` or `file:x` a meaning of their own."""
        return Path(self.dsn.path.expanduser().absolute())

    def test(self) -> list[Check]:
        """Whether the file can be opened and what a backup will do to its writers."""
        try:
            self._preflight()
            found = self._ask(["check", str(self.path), self.lock_timeout], "Checking", None)
        except BackupError as problem:
            return [Check("open", "error", problem.message, problem.hint)]
        size = self.path.stat().st_size
        checks = [Check("open", "ok", f"{self.path}: {size} bytes, {len(found['objects'])} tables and views")]
        if found["findings"]:
            text = f"quick_check: {found['findings'][0]}"
            checks.append(Check("integrity", "error", text, "Restore an earlier snapshot."))
        else:
            checks.append(Check("integrity", "ok", "quick_check finds nothing"))
        if not found["wal"]:
            text = "rollback journal: writers wait while a backup reads"
            checks.append(Check("journal", "warning", text, "PRAGMA journal_mode = WAL lets them go on."))
        checks.append(Check("point in time", "ok", "SQLite has snapshots only, no log to replay"))
        return checks

    def dump(
        self,
        sink: Sink,
        *,
        type: Type = Type.FULL,
        since: Mapping[str, Any] | None = None,
        deadline: Deadline | None = None,
    ) -> Dump:
        """Streams all pages; what is new is for the repository to find out."""
        self._preflight()
        command = ["dump", str(self.path), self.lock_timeout, self.options.get("quick_check") != "off"]
        with Worker(command, doing="Reading SQLite", path=self.path, deadline=deadline) as worker:
            frames = worker.frames()
            page_size = int(json.loads(next(frames)[1])["page_size"])
            about: dict[str, Any] = {}
            with sink.stream(STREAM, kind="pages", page_size=page_size) as writer:
                for kind, data in frames:
                    if kind == b"J":
                        about = json.loads(data)
                    else:
                        writer.write(data)
                written = writer.offset
        if not about or about["pages"] * page_size != written:
            raise BackupError(f"Reading SQLite gave {written} bytes, not what it announced.", SOURCE_FAILED)
        return self._dump_of(about, page_size, written)

    def _dump_of(self, about: dict[str, Any], page_size: int, written: int) -> Dump:
        objects = about.pop("objects")
        bad = about.pop("findings")
        meta = about | {
            "engine": "sqlite",
            "page_size": page_size,
            "bytes": written,
            "order": "pages 2..N, then page 1",
            "quarantined": bool(bad),
            "findings": bad,
            "mode": stat.S_IMODE(self.path.stat().st_mode),
        }
        warnings = [f"malformed, kept in quarantine: {line}" for line in bad[:3]]
        return Dump(meta, {name: {"kind": kind} for name, kind in objects.items()}, warnings)

    def logs(self, since: Mapping[str, Any], *, deadline: Deadline | None = None) -> Iterator[Log]:
        """There are none."""
        raise Invalid("SQLite has no log to fetch: its points in time are the snapshots.")

    def restore(
        self,
        source: Source,
        target: Dsn,
        *,
        tables: Sequence[str] | None = None,
        at: datetime | None = None,
        replace: bool = False,
        logs: Source | None = None,
        deadline: Deadline | None = None,
    ) -> Restored:
        """Writes a file aside, checks it, then renames it into place or copies tables out of it."""
        if target.engine != "sqlite":
            raise Invalid("An SQLite backup restores into a file.", hint="--out FILE")
        path = Path(target.path.expanduser().absolute())
        self._refuse_target(path, replace or bool(tables))
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".restoring", dir=path.parent)
        aside = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                write_pages(source, file)
                file.flush()
                os.fsync(file.fileno())
            warnings = self._verify(aside, bool(source.meta.get("quarantined")), deadline)
            if tables:
                warnings += self._copy_tables(aside, path, list(tables), replace, deadline)
            else:
                self._swap(aside, path, int(source.meta.get("mode", 0o600)) & 0o777, deadline)
        finally:
            for leftover in (aside, *_companions(aside)):
                leftover.unlink(missing_ok=True)
        return Restored(str(path), list(tables or ()), warnings)

    def _refuse_target(self, path: Path, allowed: bool) -> None:
        if path.is_symlink():
            raise BackupError(f"{path} is a symbolic link.", 2, hint="Name the file itself.")
        if path.is_dir() or not path.parent.is_dir():
            raise BackupError(f"{path} is not a place for a file.", 2)
        if path.exists() and path.stat().st_size and not allowed:
            raise BackupError(f"{path} exists.", 2, hint="--replace overwrites it.")
        if not os.access(path.parent, os.W_OK):
            raise BackupError(f"{path.parent} cannot be written to (uid {_uid()}).", STORAGE)

    def _verify(self, aside: Path, quarantined: bool, deadline: Deadline | None) -> list[str]:
        with Worker(["check", str(aside), 1.0], doing="Verifying", path=aside, deadline=deadline) as worker:
            bad: list[str] = worker.report()["findings"]
        if bad and not quarantined:
            raise BackupError(f"The restored file is malformed: {bad[0]}.", CORRUPT)
        return [f"restored from quarantine, malformed: {line}" for line in bad]

    def _swap(self, aside: Path, path: Path, mode: int, deadline: Deadline | None) -> None:
        if not path.exists():
            for stale in _companions(path):
                stale.unlink(missing_ok=True)
            aside.chmod(mode)
            try:
                os.link(aside, path)  # unlike a rename, a link never overwrites a file that just appeared
            except FileExistsError:
                raise BackupError(f"{path} exists.", 2, hint="--replace overwrites it.") from None
            except OSError:
                aside.replace(path)
        else:
            self._retire(path, deadline)
            old = path.stat()
            aside.chmod(stat.S_IMODE(old.st_mode))
            if os.name == "posix" and (old.st_uid, old.st_gid) != (os.getuid(), os.getgid()):
                with suppress(PermissionError):
                    os.chown(aside, old.st_uid, old.st_gid)
            # A stale log beside the new file would be replayed into it: gone before the new file appears.
            for stale in _companions(path):
                stale.unlink(missing_ok=True)
            aside.replace(path)
        _sync_directory(path.parent)

    def _retire(self, path: Path, deadline: Deadline | None) -> None:
        command = ["retire", str(path), self.lock_timeout]
        try:
            with Worker(command, doing="Locking", path=path, deadline=deadline) as worker:
                worker.report()
        except BackupError as problem:
            if "locked" in problem.message:
                hint = "Stop the applications that use it."
                raise BackupError(f"{path} is in use.", SOURCE_FAILED, hint=hint) from None
            if "malformed" not in problem.message and "not an SQLite" not in problem.message:
                raise

    def _copy_tables(
        self, aside: Path, path: Path, tables: list[str], replace: bool, deadline: Deadline | None
    ) -> list[str]:
        command = ["copy", str(path), self.lock_timeout, str(aside), tables, replace]
        with Worker(command, doing="Copying tables", path=path, deadline=deadline) as worker:
            broken = worker.report()["foreign_key_violations"]
        return [f"{broken} rows break a foreign key in the target"] if broken else []

    def export(self, source: Source, path: Path) -> list[Path]:
        """The database file itself; refuses to overwrite."""
        with path.open("xb") as file:
            write_pages(source, file)
            file.flush()
            os.fsync(file.fileno())
        return [path]

    def drill(
        self,
        source: Source,
        *,
        sql: Sequence[str] = (),
        keep: Path | None = None,
        deadline: Deadline | None = None,
    ) -> Drill:
        """Restores into a temporary file, reads it back and compares page by page."""
        folder = keep or Path(tempfile.mkdtemp(prefix="backendhub-drill-"))
        try:
            path = folder / "drill.db"
            self.restore(source, Dsn("sqlite", "sqlite", str(path)), deadline=deadline)
            again = SqliteEngine(Dsn("sqlite", "sqlite", str(path)), {"quick_check": "off"})
            sink = CompareSink(source, {STREAM: rewritten(source.meta)})
            again.dump(sink, deadline=deadline)
            answers = again._ask(["query", str(path), 1.0, list(sql)], "Checking", deadline) if sql else []
            checks = [verdict(text, answer) for text, answer in zip(sql, answers, strict=True)]
            return Drill(sink.finish(), sink.compared, "temporary file", checks)
        finally:
            if keep is None:
                shutil.rmtree(folder)

    def inventory(self) -> dict[str, dict[str, Any]]:
        """Tables and views with their rows."""
        self._preflight()
        found: dict[str, dict[str, Any]] = self._ask(
            ["inventory", str(self.path), self.lock_timeout], "Counting", None
        )
        return found

    def is_empty(self, target: Dsn) -> bool:
        """No file, or one without tables."""
        path = Path(target.path.expanduser().absolute())
        if not path.exists() or path.stat().st_size == 0:
            return True
        command = ["check", str(path), self.lock_timeout]
        with Worker(command, doing="Looking", path=path, deadline=None) as worker:
            return not worker.report()["objects"]

    def _ask(self, command: list[Any], doing: str, deadline: Deadline | None) -> Any:
        with Worker(command, doing=doing, path=self.path, deadline=deadline) as worker:
            return worker.report()

    def _preflight(self) -> None:
        # Only stat and access: opening and closing the file here would drop the POSIX locks of any SQLite
        # connection that this process has on it, and `hub` is backed up from the process that has it open.
        try:
            found = self.path.stat()
            if not os.access(self.path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except FileNotFoundError:
            raise BackupError(f"{self.path} does not exist.", CANNOT_CONNECT) from None
        except OSError as problem:
            text = f"{self.path} cannot be read (uid {_uid()}): {problem.strerror}."
            raise BackupError(text, CANNOT_CONNECT) from None
        if not stat.S_ISREG(found.st_mode):
            raise BackupError(f"{self.path} is not a file.", CANNOT_CONNECT)
        if found.st_size == 0:
            text = f"{self.path} has 0 bytes: an empty file is no database."
            raise BackupError(text, SOURCE_FAILED, hint="Is this the right path?")


def rewritten(meta: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Where the backup interface changes page 1 (counter, schema cookie, versions), in the stored order."""
    first = int(meta["bytes"]) - int(meta["page_size"])
    return tuple((first + low, first + high) for low, high in ((24, 28), (40, 44), (92, 100)))


def write_pages(source: Source, file: Any) -> None:
    """Writes the stored pages in their places: page 1 was stored last."""
    page_size, total = int(source.meta["page_size"]), int(source.meta["bytes"])
    if source.size(STREAM) != total or total % page_size:
        raise BackupError(f"The stream holds {source.size(STREAM)} bytes, not {total}.", CORRUPT)
    file.seek(page_size)
    left = total - page_size
    with source.open(STREAM) as reader:
        while data := reader.read(1 << 20):
            rest, first = data[:left], data[left:]
            file.write(rest)
            left -= len(rest)
            if first or left == 0:
                break
        while len(first) < page_size and (more := reader.read(page_size - len(first))):
            first += more
        if left or len(first) != page_size or reader.read(1):
            raise BackupError("The stream does not hold the pages it should.", CORRUPT)
    file.seek(0)
    file.write(first)


def verdict(statement: str, answer: dict[str, Any]) -> Check:
    """A check holds when its first cell is true: not empty, 0, false or an error."""
    if "error" in answer:
        return Check(statement, "error", answer["error"])
    good = answer["value"] not in (None, 0, "0", "f", "false", "")
    return Check(statement, "ok" if good else "error", f"gives {answer['value']!r}")


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal")]


def _sync_directory(path: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else -1

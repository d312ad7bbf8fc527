"""Objects in a directory: temporary file, fsync, rename, fsync of the directory; no link is ever followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from backendhub.systems.backup.models import CORRUPT, NO_REPOSITORY, STORAGE, BackupError

from . import crash, locks
from .backend import SMALL, Buffer, Entry, Missing

RESERVE = 8 << 20
_DIR = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_AT = os.open in os.supports_dir_fd  # not on Windows: there, whole paths and a check of every parent


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turns an operating system error into exit code 30 that names the path and who was refused."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ELOOP, errno.EMLINK) or (e.errno == errno.ENOTDIR and Path(path).is_symlink()):
            raise BackupError(f"{path} is a symbolic link, which is never followed", STORAGE) from e
        who = f" (as uid {os.getuid()})" if hasattr(os, "getuid") else ""
        hint = None
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            hint = "`backendhub backup forget` and `prune` work on a full disk."
        raise BackupError(f"{path}: {e.strerror or e}{who}", STORAGE, hint=hint, errno=e.errno) from e


def _full(e: BackupError) -> bool:
    return e.details.get("errno") in (errno.ENOSPC, errno.EDQUOT)


class LocalBackend:
    """A directory as a Backend; 0700 directories, 0600 files."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        self.root = Path(path).expanduser().absolute()
        self.url = str(self.root)
        if create:
            with _explained(self.url):
                self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _explained(self.url):
            try:
                self._root = os.open(self.root, _DIR) if _AT else -1
            except FileNotFoundError as e:
                raise BackupError(
                    f"There is no repository at {self.url}",
                    NO_REPOSITORY,
                    hint="Run `backendhub backup init`.",
                ) from e
        self.emergency = False  # while freeing space, the reserve may be spent

    def close(self) -> None:
        """Lets go of the directory."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    # ── walking without following links

    @contextmanager
    def _at(self, name: str, *, make: bool = False) -> Iterator[tuple[int | None, str]]:
        """The open parent directory of a name and its last part, usable as `dir_fd` and path."""
        *parents, last = _parts(name)
        if not _AT:
            yield None, self._checked(parents, make) + os.sep + last
            return
        fd = os.dup(self._root)
        try:
            for part in parents:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=fd)
                        os.fsync(fd)
                deeper = _descend(part, fd)
                os.close(fd)
                fd = deeper
            yield fd, last
        finally:
            os.close(fd)

    def _checked(self, parents: list[str], make: bool) -> str:
        path = self.root
        for part in parents:
            path = path / part
            if make:
                path.mkdir(mode=0o700, exist_ok=True)
            if path.is_symlink():
                raise OSError(errno.ELOOP, "symbolic link", str(path))
        return str(path)

    def path(self, name: str) -> str:
        """The path of an object, for messages."""
        return str(self.root.joinpath(*_parts(name)))

    # ── writing

    def put(self, name: str, parts: Sequence[Buffer]) -> None:
        """Writes aside, syncs, renames, syncs the directory."""
        self._store(name, parts, only_new=False)

    def create(self, name: str, data: Buffer) -> bool:
        """As put, but never over an existing object."""
        return self._store(name, [data], only_new=True)

    def _store(self, name: str, parts: Sequence[Buffer], *, only_new: bool) -> bool:
        try:
            return self._store_once(name, parts, only_new)
        except BackupError as e:
            if not (self.emergency and _full(e) and self.relieve()):
                raise
            return self._store_once(name, parts, only_new)

    def _store_once(self, name: str, parts: Sequence[Buffer], only_new: bool) -> bool:
        temporary = f"tmp/{os.getpid()}-{os.urandom(6).hex()}"
        with _explained(self.path(name)), self._at(temporary, make=True) as (tmp_dir, tmp):
            fd = os.open(tmp, _NEW, 0o600, dir_fd=tmp_dir)
            try:
                # Held while we live: `sweep` of another process leaves the file alone. Between open and lock it may
                # have taken the file for a dead writer's; then another name is tried.
                if not (locks.try_lock(fd) and _exists(tmp, tmp_dir)):
                    return self._store_once(name, parts, only_new)
                for part in parts:
                    _write_all(fd, part)
                os.fsync(fd)
                crash.point("local.tmp-written")
                with self._at(name, make=True) as (into, last):
                    new = self._publish(tmp_dir, tmp, into, last, only_new)
                    if into is not None:
                        os.fsync(into)
                crash.point("local.renamed")
                return new
            finally:
                os.close(fd)
                with suppress(FileNotFoundError):
                    os.unlink(tmp, dir_fd=tmp_dir)

    def _publish(self, tmp_dir: int | None, tmp: str, into: int | None, last: str, only_new: bool) -> bool:
        if not only_new:
            os.replace(tmp, last, src_dir_fd=tmp_dir, dst_dir_fd=into)
            return True
        try:
            os.link(tmp, last, src_dir_fd=tmp_dir, dst_dir_fd=into, follow_symlinks=False)
        except FileExistsError:
            return False
        except (OSError, NotImplementedError) as e:
            # A filesystem without hard links (FAT, some network mounts): snapshot names hold a random id,
            # and the target lock is held, so looking first is enough.
            if isinstance(e, OSError) and e.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                raise
            if _exists(last, into):
                return False
            os.replace(tmp, last, src_dir_fd=tmp_dir, dst_dir_fd=into)
        return True

    # ── reading

    @contextmanager
    def _open(self, name: str) -> Iterator[tuple[int, int]]:
        with _explained(self.path(name)):
            try:
                with self._at(name) as (parent, last):
                    if not _AT and Path(last).is_symlink():
                        raise OSError(errno.ELOOP, "symbolic link", last)
                    fd = os.open(last, _READ, dir_fd=parent)
            except FileNotFoundError as e:
                raise Missing(name, self.url) from e
            try:
                found = os.fstat(fd)
                if not stat.S_ISREG(found.st_mode):
                    raise BackupError(f"{self.path(name)} is not a regular file", STORAGE)
                yield fd, found.st_size
            finally:
                os.close(fd)

    def get(self, name: str, *, limit: int = SMALL) -> bytes:
        """Reads a whole object."""
        with self._open(name) as (fd, size):
            if size > limit:
                raise BackupError(f"{self.path(name)} is {size} bytes, more than it may be", CORRUPT)
            return _read(fd, size, 0)

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """Reads part of an object."""
        with self._open(name) as (fd, size):
            return _read(fd, max(0, min(length, size - start)), start)

    def list(self, prefix: str) -> Iterator[Entry]:
        """Walks a directory in the order of names."""
        with _explained(self.path(prefix)):
            try:
                with self._at(f"{prefix}/x") as (parent, last):
                    where: int | str = parent if parent is not None else str(Path(last).parent)
                    with os.scandir(where) as found:
                        entries = sorted((e.name, e.stat(follow_symlinks=False)) for e in found)
            except FileNotFoundError:
                return
        for name, info in entries:
            if stat.S_ISDIR(info.st_mode):
                yield from self.list(f"{prefix}/{name}")
            else:  # a link or a device is listed too, so that whoever opens it is told
                yield Entry(f"{prefix}/{name}", info.st_size)

    def stat(self, name: str) -> int | None:
        """The size of an object without opening it."""
        with _explained(self.path(name)):
            try:
                with self._at(name) as (parent, last):
                    return os.stat(last, dir_fd=parent, follow_symlinks=False).st_size
            except FileNotFoundError:
                return None

    # ── removing

    def delete(self, name: str) -> None:
        """Unlinks an object durably."""
        with _explained(self.path(name)), suppress(FileNotFoundError), self._at(name) as (parent, last):
            os.unlink(last, dir_fd=parent)
            if parent is not None:
                os.fsync(parent)

    def sweep(self) -> int:
        """Unlinks the temporary files whose writers are dead: nobody holds their lock."""
        swept = 0
        for entry in list(self.list("tmp")):
            with suppress(Missing), self._open(entry.name) as (fd, _):
                if locks.try_lock(fd):
                    self.delete(entry.name)
                    swept += 1
        return swept

    def relieve(self) -> bool:
        """Gives up the reserve."""
        if self.stat("reserve") is None:
            return False
        self.delete("reserve")
        return True

    def reserve(self) -> None:
        """Sets 8 MiB aside, of random bytes because a compressing filesystem would keep no zeros."""
        if self.stat("reserve") == RESERVE:
            return
        before, self.emergency = self.emergency, False
        try:
            self.put("reserve", [os.urandom(1 << 20)] * (RESERVE >> 20))
        except BackupError as e:
            if not _full(e):
                raise
        finally:
            self.emergency = before

    def lock_file(self, name: str) -> str | None:
        """Locks live in the directory itself, so that users with different caches exclude each other."""
        with _explained(self.path("locks")), self._at("locks/x", make=True):
            return self.path(f"locks/{name}")


def _descend(part: str, fd: int) -> int:
    try:
        return os.open(part, _DIR, dir_fd=fd)
    except NotADirectoryError:
        # O_DIRECTORY speaks before O_NOFOLLOW does; a link deserves the clearer word.
        if stat.S_ISLNK(os.stat(part, dir_fd=fd, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, "symbolic link", part) from None
        raise


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part or os.sep in part for part in parts):
        raise BackupError(f"{name!r} is no name of an object", CORRUPT)
    return parts


def _exists(name: str, directory: int | None) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_all(fd: int, data: Buffer) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read(fd: int, size: int, start: int) -> bytes:
    os.lseek(fd, start, os.SEEK_SET)
    parts = []
    while size > 0:
        part = os.read(fd, min(size, 16 << 20))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)

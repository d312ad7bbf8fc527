"""A throwaway PostgreSQL cluster in a directory: made, started on a private socket, stopped."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backendhub.systems.backup.models import SOURCE_FAILED, BackupError

from .base import Deadline, Dsn
from .child import Child, environment, last_lines, output
from .postgres_client import Client, find_program, server_account

CONFIG = """
listen_addresses = ''
unix_socket_directories = '{socket}'
max_connections = 20
shared_buffers = '32MB'
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
"""


@contextmanager
def scratch(keep: Path | None) -> Iterator[Path]:
    """A directory that the server's account owns; removed unless the operator asked to keep it."""
    folder = Path(tempfile.mkdtemp(prefix="hubdrill-")) if keep is None else keep
    folder.mkdir(mode=0o700, exist_ok=True)
    try:
        if account := server_account():
            shutil.chown(folder, account)
        yield folder
    finally:
        if keep is None:
            shutil.rmtree(folder)


class Cluster:
    """A server over a data directory, reachable through a socket in `folder` only."""

    def __init__(self, folder: Path, data: Path, *, major: int, options: Mapping[str, Any]) -> None:
        self.folder, self.data, self.major, self.options = folder, data, major, options
        self.account = server_account()
        self.keep = False
        self.log = folder / "server.log"

    @property
    def dsn(self) -> Dsn:
        """The maintenance database of this server."""
        return Dsn("postgres", "postgresql", "postgres", str(self.folder), 5432, "postgres")

    def client(self, database: str = "postgres") -> Client:
        """A client of this server, without the source's password."""
        kept = {key: value for key, value in self.options.items() if key == "bin_dir"}
        return Client(self.dsn.with_database(database), kept)

    def program(self, name: str) -> str:
        """A server program of the right major version."""
        return find_program(name, self.options, major=self.major)

    def init(self) -> None:
        """initdb, trusting only who can reach the private socket."""
        argv = [self.program("initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        output([*argv, "--locale=C", "--no-sync"], doing="initdb", account=self.account, cwd=self.folder)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(CONFIG.format(socket=self.folder))

    def start(self, *settings: str, timeout: float = 120) -> None:
        """Starts it and waits until it takes connections."""
        self._pg_ctl("start", "-l", str(self.log), "-t", str(int(timeout)), "-o", " ".join(settings))
        self._wait(Deadline.after(timeout))

    def _wait(self, deadline: Deadline) -> None:
        # Without hot standby, pg_ctl calls a server that is still recovering started.
        while True:
            try:
                self.client().psql("SELECT 1")
            except BackupError as problem:
                if not (self.data / "postmaster.pid").exists():
                    said = last_lines(self.log.read_text("utf-8", "replace"))
                    raise BackupError(f"The server ended: {said}", SOURCE_FAILED) from None
                if (
                    "not accepting connections" not in problem.message
                    and "starting up" not in problem.message
                ):
                    raise
            else:
                return
            deadline.check("waiting for the server to recover")
            time.sleep(0.1)

    def stop(self, *, mode: str = "immediate") -> None:
        """Stops it: at once, for nothing in a throwaway is worth a checkpoint, or cleanly (`fast`)."""
        self._pg_ctl("stop", "-m", mode)

    def _pg_ctl(self, verb: str, *more: str) -> None:
        argv = [self.program("pg_ctl"), verb, "-D", str(self.data), "-w", "-s", *more]
        try:
            # stdout must not be a pipe of ours: the server would hold it open for as long as it lives.
            with Child(
                argv,
                doing=f"pg_ctl {verb}",
                stdout=False,
                env=environment(),
                account=self.account,
                cwd=self.folder,
            ) as child:
                child.finish()
        except BackupError as problem:
            said = last_lines(self.log.read_text("utf-8", "replace")) if self.log.exists() else ""
            raise BackupError(f"{problem.message} {said}", SOURCE_FAILED) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.keep and (self.data / "postmaster.pid").exists():
            self.stop()


def new_cluster(
    folder: Path, *, major: int, options: Mapping[str, Any], deadline: Deadline | None
) -> Cluster:
    """A fresh cluster in `folder`, started."""
    if deadline is not None:
        deadline.check("starting the drill")
    cluster = Cluster(folder, folder / "data", major=major, options=options)
    cluster.init()
    cluster.start()
    return cluster

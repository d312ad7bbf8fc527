"""Replaying WAL over a base backup: into a directory aside, started on a private socket, then put in place."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from backendhub.systems.backup.models import CORRUPT, SOURCE_FAILED, BackupError
from backendhub.systems.backup.streams import Source

from .base import Deadline, Drill, Restored
from .child import BLOCK, Child, output
from .postgres_client import conninfo, find_program, server_account
from .postgres_cluster import Cluster, scratch
from .postgres_drill import check_sql

STREAM = "base.tar"
# hot_standby = off frees us from the primary's max_connections and its like.
CONFIG = """
listen_addresses = ''
unix_socket_directories = '{socket}'
hba_file = '{socket}/pg_hba.conf'
ident_file = '{socket}/pg_ident.conf'
hot_standby = off
max_prepared_transactions = 1000
archive_mode = off
autovacuum = off
logging_collector = off
log_min_messages = info
"""
ENDED_EARLY = "recovery ended before configured recovery target was reached"


class Recovery:
    """One base backup made into a data directory."""

    def __init__(self, source: Source, options: Mapping[str, Any], deadline: Deadline | None) -> None:
        self.source, self.options, self.deadline = source, options, deadline
        self.major = int(source.meta["server"])
        self.account = server_account()

    def into(self, target: Path, *, at: datetime | None, logs: Source | None, replace: bool) -> Restored:
        """Restores aside, proves that it starts, then renames; an old directory is kept under another name."""
        full = target.exists() and (not target.is_dir() or any(target.iterdir()))
        if target.is_symlink() or (full and not replace):
            raise BackupError(f"{target} is not empty.", 2, hint="--replace puts it aside.")
        if (target / "postmaster.pid").exists():
            raise BackupError(f"{target} belongs to a running server.", 2, hint="Stop it first.")
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".restoring", dir=target.parent))
        try:
            self.extract(aside)
            with scratch(None) as folder:
                last, warnings = self._replay(aside, folder, at, logs)
            if not (aside / "postgresql.conf").exists():
                warnings.append(
                    "the backup holds no postgresql.conf: the server keeps its configuration elsewhere"
                )
            if full:
                kept = target.with_name(f"{target.name}.replaced-{uuid.uuid4().hex[:8]}")
                target.rename(kept)
                warnings.append(f"the old directory is now {kept}")
            aside.rename(target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        return Restored(str(target), [], warnings, {"last_transaction": last})

    def extract(self, folder: Path) -> None:
        """Unpacks the tar and checks every file against the manifest that the server wrote."""
        folder.chmod(0o700)
        with self.source.open(STREAM) as reader, tarfile.open(fileobj=_File(reader), mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                _unpack(tar, member, folder)
        if self.account:
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, self.account)
        if (folder / "backup_manifest").exists():
            verify = find_program("pg_verifybackup", self.options, major=self.major)
            try:
                output(
                    [verify, "--no-parse-wal", "-q", str(folder)],
                    doing="pg_verifybackup",
                    deadline=self.deadline,
                )
            except BackupError as problem:
                raise BackupError(f"A restored file differs: {problem.message}", CORRUPT) from problem

    def _replay(
        self, data: Path, folder: Path, at: datetime | None, logs: Source | None
    ) -> tuple[str | None, list[str]]:
        """Recovers with a configuration of our own, so that nothing of it stays in the directory."""
        warnings = []
        wal = folder / "wal"
        wal.mkdir()
        for name in logs.names() if logs is not None else ():
            _store_log(logs, name, wal)
        self.own(wal)
        cluster = Cluster(folder, data, major=self.major, options=self.options)
        try:
            last = self._run(cluster, wal, at)
        except BackupError:
            if at is None or ENDED_EARLY not in cluster.log.read_text("utf-8", "replace"):
                raise
            # Nothing was committed after that time in all the WAL there is: its end is the state asked for.
            last = self._run(cluster, wal, None)
            warnings.append(
                f"the WAL ends before {at.isoformat()}: restored to its end, last commit {last or 'unknown'}"
            )
        return last, warnings

    def _run(self, cluster: Cluster, wal: Path, at: datetime | None) -> str | None:
        lines = [CONFIG.format(socket=cluster.folder)]
        if any(wal.iterdir()) or at is not None:
            (cluster.data / "recovery.signal").touch()
            lines.append(f'restore_command = \'cp "{wal}/%f" "%p"\'')
            lines.append("recovery_target_action = promote")
        if at is not None:
            moment = at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")
            lines += [f"recovery_target_time = '{moment}+00'", "recovery_target_inclusive = on"]
        (cluster.folder / "pg_hba.conf").write_text("local all all trust\n")
        (cluster.folder / "pg_ident.conf").write_text("")
        (cluster.folder / "recovery.conf").write_text("\n".join(lines))
        self.own(cluster.folder, cluster.data)
        with cluster:
            left = self.deadline.remaining() if self.deadline else None
            cluster.start("-c", f"config_file={cluster.folder}/recovery.conf", timeout=left or 86400)
            last = cluster.client().psql("SELECT pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC'") or None
            if cluster.client().psql("SELECT pg_is_in_recovery()") != "f":
                raise BackupError("The restored server did not leave recovery.", SOURCE_FAILED)
            cluster.stop(mode="fast")
        for name in ("recovery.signal", "backup_label.old", "postmaster.opts"):
            (cluster.data / name).unlink(missing_ok=True)
        return last

    def own(self, *folders: Path) -> None:
        """Hands directories to the account that the server runs under."""
        if self.account:
            for folder in folders:
                for path in (folder, *folder.rglob("*")):
                    shutil.chown(path, self.account)


class _File:
    """A Reader as tarfile wants it: `read(n)` gives n bytes unless the stream ends."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Exactly that many bytes, or what is left."""
        parts = bytearray()
        while len(parts) < size and (data := self._reader.read(size - len(parts))):
            parts += data
        return bytes(parts)


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    parts = PurePosixPath(member.name).parts
    if member.name.startswith("/") or ".." in parts:
        raise BackupError(f"The tar holds a path that leads outside: {member.name!r}.", CORRUPT)
    path = folder.joinpath(*parts)
    if member.isdir():
        path.mkdir(mode=0o700, exist_ok=True, parents=True)
    elif member.isreg():
        path.parent.mkdir(mode=0o700, exist_ok=True, parents=True)
        content = tar.extractfile(member)
        assert content is not None
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(content, file, BLOCK)
            file.flush()
    else:
        raise BackupError(f"The tar holds {member.name!r}, which is neither file nor directory.", CORRUPT)


def _store_log(logs: Source | None, name: str, folder: Path) -> None:
    assert logs is not None
    if "/" in name or name.startswith("."):
        raise BackupError(f"{name!r} is no name of a WAL segment.", CORRUPT)
    with logs.open(name) as reader, (folder / name).open("xb") as file:
        while data := reader.read(BLOCK):
            file.write(data)


def drill(
    source: Source,
    options: Mapping[str, Any],
    *,
    sql: Sequence[str],
    keep: Path | None,
    deadline: Deadline | None,
) -> Drill:
    """Every file against the manifest, started, every row of every database read."""
    work = Recovery(source, options, deadline)
    with scratch(keep) as folder:
        data = folder / "data"
        data.mkdir()
        try:
            work.extract(data)
        except BackupError as problem:
            return Drill([problem.message], 0, "never started")
        cluster = Cluster(folder, data, major=work.major, options=options)
        cluster.keep = keep is not None
        (folder / "pg_hba.conf").write_text("local all all trust\n")
        (folder / "pg_ident.conf").write_text("")
        (folder / "recovery.conf").write_text(CONFIG.format(socket=folder))
        work.own(folder)
        with cluster:
            cluster.start("-c", f"config_file={folder}/recovery.conf", timeout=3600)
            argv = [find_program("pg_dumpall", options), "-d", conninfo(cluster.dsn)]
            findings = []
            try:
                with Child(argv, doing="Reading every row", stdout=False, deadline=deadline) as child:
                    child.finish()
            except BackupError as problem:
                findings.append(problem.message)
            client = cluster.client(str(options.get("drill_database", "postgres")))
            checks = [check_sql(client, text) for text in sql]
            version = f"PostgreSQL {client.psql('SHOW server_version')}"
            return Drill(findings, source.size(STREAM), version, checks)

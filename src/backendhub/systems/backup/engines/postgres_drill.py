"""The PostgreSQL drill: restored into a cluster of its own, dumped again, compared line by line as SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from backendhub.systems.backup.models import BackupError, Check
from backendhub.systems.backup.streams import Source

from . import postgres_inventory as inventories
from .base import Deadline, Drill
from .child import BLOCK, Child, output
from .postgres_client import Client, conninfo, find_program
from .postgres_cluster import Cluster, new_cluster, scratch
from .postgres_restore import Restore

# The token is random by design; the version lines differ when the drill's server is a newer one.
NOISE = re.compile(rb"^(\\(un)?restrict \w+|-- Dumped (from|by) .*)\n?$")
NAME = "drill"


def drill(
    source: Source,
    options: Mapping[str, Any],
    *,
    sql: Sequence[str],
    keep: Path | None,
    deadline: Deadline | None,
) -> Drill:
    """Runs the whole drill."""
    major = int(source.meta["server"])
    with (
        scratch(keep) as folder,
        new_cluster(folder, major=major, options=options, deadline=deadline) as cluster,
    ):
        cluster.keep = keep is not None
        work = Restore(source, cluster.client(NAME), deadline)
        work.roles()
        cluster.client().psql(inventories.create_database(NAME, source.meta["database"]))
        try:
            work.load(NAME, extra=["--no-tablespaces"])
        except BackupError as problem:
            return Drill([f"restore: {problem.message}"], 0, _server(cluster), [])
        client = cluster.client(NAME)
        found = inventories.read(
            lambda text: client.psql(text).splitlines(), count=bool(source.meta["counted"])
        )
        findings = inventories.differences(source.meta, found)
        differing, compared = _compare(source, cluster, options, folder, deadline)
        checks = [check_sql(client, text) for text in sql]
        return Drill(findings + differing, compared, _server(cluster), checks)


def _server(cluster: Cluster) -> str:
    kept = f", kept running on socket {cluster.folder}" if cluster.keep else ""
    return f"PostgreSQL {cluster.client().psql('SHOW server_version')}{kept}"


def _compare(
    source: Source, cluster: Cluster, options: Mapping[str, Any], folder: Path, deadline: Deadline | None
) -> tuple[list[str], int]:
    """Both archives as SQL, side by side. The stored one is spooled, for pg_restore reads while we read."""
    stored, fresh = folder / "stored.dump", folder / "fresh.dump"
    with source.open("dump") as reader, stored.open("wb") as file:
        while data := reader.read(BLOCK):
            file.write(data)
    argv = [find_program("pg_dump", options), "-Fc", "-Z0", "--no-tablespaces", "-f", str(fresh)]
    output([*argv, "-d", conninfo(cluster.dsn, NAME)], doing="pg_dump", deadline=deadline)
    render = [find_program("pg_restore", options), "--no-tablespaces", "-f", "-"]
    compared = 0
    with (
        Child([*render, str(stored)], doing="pg_restore", deadline=deadline) as left,
        Child([*render, str(fresh)], doing="pg_restore", deadline=deadline) as right,
    ):
        for number, (was, now) in enumerate(zip_longest(_lines(left), _lines(right)), 1):
            compared += len(was or b"")
            if was != now:
                shown = (was or b"(end)")[:80].decode("utf-8", "replace").strip()
                return [f"line {number} of the dump differs: stored {shown!r}"], compared
        left.finish()
        right.finish()
    return [], compared


def _lines(child: Child) -> Iterator[bytes]:
    rest = b""
    for data in child.blocks():
        *whole, rest = (rest + data).split(b"\n")
        yield from (line for line in whole if not NOISE.match(line))
    if rest:
        yield rest


def check_sql(client: Client, statement: str) -> Check:
    """A check holds when its first cell is true: not empty, 0, false or an error."""
    try:
        answer = client.psql(statement + ";").split("\n")[0].split("\x1f")[0]
    except BackupError as problem:
        return Check(statement, "error", problem.message)
    good = answer not in ("", "f", "0")
    return Check(statement, "ok" if good else "error", f"gives {answer!r}")

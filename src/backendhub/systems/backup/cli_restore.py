"""Commands that read backups: restore, export, verify, drill, diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid

from .cli_base import (
    DryRun,
    Identity,
    PassFile,
    Repo,
    Timeout,
    app,
    card,
    path,
    report,
    repository,
    span,
    summed,
)
from .models import CORRUPT, HUB

if TYPE_CHECKING:
    from .report import Report
    from .repository.check import Verified
    from .repository.repo import Repository

Snap = Annotated[str, Argument(help="Its id, or `latest`; its number with --target.", metavar="SNAP")]


@app.command(says=card, undoable=False)
def restore(
    name: Annotated[str, Argument(help="The target.")] = HUB,
    at: Annotated[str | None, Option("--at", help="A time, or a snapshot.", metavar="TIME|SNAP")] = None,
    to: Annotated[str | None, Option("--to", help="Into this database.", metavar="DSN")] = None,
    out: Annotated[str | None, Option("--out", help="Into this file (or directory).", metavar="FILE")] = None,
    tables: Annotated[str | None, Option("--tables", help="Only these tables.", metavar="a,b")] = None,
    replace: Annotated[bool, Option("--replace", help="Overwrite what is there.")] = False,
    safety_copy: Annotated[bool, Option(help="Back up first what --replace overwrites.")] = True,
    option: Annotated[
        list[str] | None, Option("--option", "-o", help="For reaching it: password_file=…")
    ] = None,
    dry_run: DryRun = False,
    timeout: Timeout = "0",
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result | dict[str, Any]:
    """Restore a target. Without --to or --out it only shows what it would do."""
    from .service import restores, targets

    if to is not None and out is not None:
        raise Invalid("Either --to or --out.")
    options = targets.parse_options(option or [])
    chosen = [part.strip() for part in (tables or "").split(",") if part.strip()]
    with repository(repo, passphrase_file, identity) as opened:
        choice = restores.choose(opened, name, at)
        target = restores.target_of(hub.current(), choice.snapshot, options)
        file = path(out)
        if out is not None and _is_dump(target):
            if dry_run:
                return {"export": choice.snapshot.id[:8], "into": out}
            return cli.Result([str(p) for p in _export(opened, choice.snapshot, Path(out).expanduser())], 0)
        with restores.destination(hub.current(), to, file, dict(options)) as into:
            if into is None or dry_run:
                if into is None:
                    hub.output().note("Nothing was done: --to DSN or --out FILE says where to.")
                return restores.plan(choice, target, into, chosen, replace)
            said = report()
            order = restores.Order(choice, target, into, chosen, replace, safety_copy, span(timeout))
            made = restores.restore(hub.current(), opened, said, order)
    return summed(said, [made])


def _is_dump(target: Any) -> bool:
    """Whether `--out` means the native dump file rather than a database."""
    from .engines.base import parse_dsn

    return parse_dsn(target.dsn).engine != "sqlite" and target.options.get("mode") != "physical"


def _export(opened: Repository, snapshot: Any, file: Path) -> list[Path]:
    from .engines.base import engine_for
    from .service import restores

    if file.is_symlink():
        raise Invalid(f"{file} is a symbolic link.")
    target = restores.target_of(hub.current(), snapshot, {})
    return engine_for(target.dsn, options=target.options).export(opened.source(snapshot), file)


@app.command(undoable=False)
def export(
    snapshot: Snap,
    output: Annotated[str, Option("-o", "--output", help="The file to write.", metavar="FILE")],
    target: Annotated[str | None, Option("--target", help="Of this target.")] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> list[str]:
    """Write a snapshot as the database's own native file: the exit door."""
    with repository(repo, passphrase_file, identity) as opened:
        found = opened.find(snapshot, target)
        return [str(p) for p in _export(opened, found, Path(output).expanduser())]


@app.command(undoable=False)
def verify(
    quick: Annotated[bool, Option("--quick", help="Names, sizes, footers, maps (the default).")] = False,
    read_data: Annotated[bool, Option("--read-data", help="Read and hash every pack as well.")] = False,
    subset: Annotated[str | None, Option("--subset", help="Read a part of them: 1/7.", metavar="N/M")] = None,
    remove_damaged: Annotated[
        bool, Option("--remove-damaged", help="Remove damaged packs, so that the next run stores them anew.")
    ] = False,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result:
    """Look for damage; any finding is exit 40 and names the snapshots and tables that it hits."""
    part = _part(subset)
    if quick and (read_data or part):
        raise Invalid("--quick reads no data.")
    said = report()
    with repository(repo, passphrase_file, identity) as opened, said.progress("verify", None) as step:
        found = opened.verify(read_data=read_data, subset=part, progress=step)
        _tell(said, found)
        if remove_damaged:
            _remove_damaged(opened, said, found)
    code = CORRUPT if found.findings else 0
    counts = {"snapshots": found.snapshots, "packs": found.packs, "bytes_read": found.read}
    said.summary("failed" if code else "ok", code, **counts, findings=len(found.findings))
    return cli.Result(None, code)


def _part(subset: str | None) -> tuple[int, int] | None:
    import re

    if subset is None:
        return None
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", subset)
    if match is None:
        raise Invalid(f"{subset!r} is no part.", hint="--subset 1/7")
    return int(match[1]), int(match[2])


def _tell(said: Report, found: Verified) -> None:
    from .report import size

    for finding in found.findings:
        hit = f" (tables: {', '.join(finding.tables)})" if finding.tables else ""
        said.event("finding", f"DAMAGED {finding.text}{hit}", finding=finding)
    read = f", {size(found.read)} read" if found.read else ""
    how = "" if found.decrypted else " (without the key: hashes only)"
    state = f"{len(found.findings)} findings" if found.findings else "nothing is wrong"
    said.event("finish", f"{found.snapshots} snapshots, {found.packs} packs{read}{how}: {state}")


def _remove_damaged(opened: Repository, said: Report, found: Verified) -> None:
    names = {f.name for f in found.findings if f.name.startswith(("packs/", "snaps/"))}
    for name in sorted(names):
        (opened.remove_pack if name.startswith("packs/") else opened.remove_damaged)(name)
        said.event("removed", f"removed {name}", object=name)


@app.command(undoable=False)
def drill(
    names: Annotated[list[str] | None, Argument(help="Targets (default: hub).", metavar="NAME")] = None,
    at: Annotated[
        str | None, Option("--at", help="This snapshot rather than the newest.", metavar="SNAP")
    ] = None,
    keep_server: Annotated[bool, Option("--keep-server", help="Leave what was restored in place.")] = False,
    sql: Annotated[
        str | None, Option("--sql", help="File of SQL checks: each must give true.", metavar="FILE")
    ] = None,
    timeout: Timeout = "0",
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result:
    """Prove it: restore into a throwaway server, dump again, compare with what is stored."""
    import tempfile

    from .service import restores, targets

    checks = restores.statements(cli.read_file(sql)) if sql else []
    said, jobs, current = report(), [], hub.current()
    with repository(repo, passphrase_file, identity) as opened:
        for name in names or [HUB]:
            target = restores.configured(current, name) or targets.ephemeral(name, HUB)
            chosen = restores.choose(opened, name, at).snapshot
            keep = Path(tempfile.mkdtemp(prefix="backendhub-drill-")) if keep_server else None
            if keep is not None:
                said.event("kept", f"{name}: left in {keep}", folder=str(keep))
            jobs.append(
                restores.drill(
                    current,
                    opened,
                    said,
                    target,
                    snapshot=chosen,
                    sql=checks,
                    keep=keep,
                    timeout=span(timeout),
                )
            )
    return summed(said, jobs)


@app.command(
    columns=("kind", "name", "before", "after", "removed", "added"), empty="No difference.", undoable=False
)
def diff(
    a: Annotated[str, Argument(help="A snapshot.", metavar="A")],
    b: Annotated[str, Argument(help="A later one.", metavar="B")],
    target: Annotated[str | None, Option("--target", help="Of this target.")] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> list[dict[str, Any]]:
    """What changed from one snapshot to another: bytes of each stream, and tables."""
    with repository(repo, passphrase_file, identity) as opened:
        found = opened.diff(opened.find(a, target), opened.find(b, target))
    rows: list[dict[str, Any]] = [
        {
            "kind": "stream",
            "name": s.stream,
            "before": s.before,
            "after": s.after,
            "removed": s.only_before,
            "added": s.only_after,
        }
        for s in found.streams
        if s.only_before or s.only_after or s.before != s.after
    ]
    rows += [
        {"kind": "table", "name": name, "before": old, "after": new, "removed": None, "added": None}
        for name, (old, new) in found.tables.items()
    ]
    return rows

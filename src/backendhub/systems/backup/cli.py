"""`backendhub backup`: repository, targets, runs and how things stand. More in cli_restore and cli_care."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import HubError, Invalid

from . import store
from .cli_base import (
    DryRun,
    Identity,
    PassFile,
    Repo,
    Timeout,
    app,
    card,
    report,
    repository,
    span,
    summed,
    use,
)
from .models import CANNOT_CONNECT, HUB, BackupError, Entry, Target

if TYPE_CHECKING:
    from .service.runs import Wish

Names = Annotated[
    list[str] | None, Argument(help="Targets (default: hub, the product's own store).", metavar="NAME")
]
SNAPSHOTS = ("target", "seq", "id", "time", "type", "bytes", "added", "state", "drilled", "replayUntil")
TARGETS = ("name", "dsn", "type", "every", "drill_every", "keep", "next_run_at")
LOG = ("id", "target", "action", "status", "started_at", "seconds", "exit_code", "snapshot", "message")


@app.command(says=lambda made: made["text"], undoable=False)
def init(
    repo: Repo = None,
    passphrase_file: PassFile = None,
    recipient: Annotated[
        list[str] | None, Option("--recipient", help="age1…: this host then only writes.", metavar="AGE1")
    ] = None,
    remember: Annotated[bool, Option(help="Write repository and key file into the settings.")] = True,
) -> dict[str, Any]:
    """Make a repository: with nothing said, in the data directory under a new passphrase of its own."""
    from pathlib import Path

    from . import access
    from .repository.repo import Repository

    use(repo, passphrase_file)
    settings = hub.current().settings
    url, words, key_file = access.repo_url(settings), None, None
    if not recipient:
        command = settings.get("backup.passphrase_command")
        named = settings.get("backup.passphrase_file")
        key_file = Path(named).expanduser().absolute() if named else access.default_passphrase_file()
        if command and not named:
            words, key_file = access.passphrase(settings), None
        else:
            words = access.passphrase_in(key_file) if named else access.write_passphrase(key_file)
    with Repository.init(
        url, passphrase=words, recipients=recipient or (), cache_dir=access.cache_dir()
    ) as made:
        id = made.id
    if remember and url != access.default_repo():
        settings.write("backup.repo", url)
    if remember and key_file is not None and passphrase_file:
        settings.write("backup.passphrase_file", str(key_file))
    text = f"Repository made at {url}"
    if key_file is not None:
        text += (
            f"\nThe key is in {key_file}"
            "\nCOPY THAT FILE TO ANOTHER PLACE NOW: without it, nobody can ever restore these backups."
        )
    elif recipient:
        text += "\nThis host can write but not read it: keep the age identity elsewhere, and drill there."
    return {"repo": url, "id": id, "passphraseFile": str(key_file) if key_file else None, "text": text}


@app.command(says="Target {0.name} added", undoable=False)
def add(
    name: Annotated[str, Argument(help="How it is called from now on.")],
    dsn: Annotated[str | None, Argument(help="A file or a URL without a password; none for hub.")] = None,
    type: Annotated[str, Option("--type", help="auto, full, diff or incr.")] = "auto",
    tables: Annotated[str | None, Option("--tables", help="Only these tables: a,b.", metavar="a,b")] = None,
    every: Annotated[str | None, Option("--every", help='When: "0 3 * * *", @daily.', metavar="CRON")] = None,
    drill_every: Annotated[str | None, Option("--drill-every", help="When to drill.", metavar="CRON")] = None,
    keep: Annotated[str | None, Option("--keep", help="last=3,daily=7,weekly=4,…", metavar="RULES")] = None,
    ping: Annotated[str | None, Option("--ping", help="URL told of every run.", metavar="URL")] = None,
    option: Annotated[
        list[str] | None, Option("--option", "-o", help="password_file=…, password_cmd=…, mode=physical, …")
    ] = None,
    test: Annotated[bool, Option(help="Try the credentials first.")] = True,
) -> Target:
    """Add a target: the credentials are tried before anything is written down."""
    from . import notify
    from .service import targets

    options = targets.parse_options(option or [])
    if tables:
        options["tables"] = tables
    _ready(name, dsn, options, test=test and dsn is not None)
    return hub.unit(
        targets.add,
        name=name,
        dsn=_lasting(dsn),
        type=type,
        options=options,
        every=every,
        drill_every=drill_every,
        keep=keep,
        ping=notify.check_url(ping),
    )


def _lasting(dsn: str | None) -> str | None:
    """A file by its absolute path, for cron starts elsewhere."""
    from .engines.base import parse_dsn

    if dsn is None or ("://" in dsn and not dsn.startswith("sqlite:")):
        return dsn
    return str(parse_dsn(dsn).path.expanduser().absolute())


def _ready(name: str, dsn: str | None, options: dict[str, str], *, test: bool) -> None:
    from .engines.base import engine_for

    if dsn is None:
        return
    engine = engine_for(dsn, options=options)  # also without a test: a wrong DSN is refused
    for check in engine.test() if test else ():
        if check.severity == "error":
            text = f"{name} is not ready: {check.name}: {check.text}"
            raise BackupError(text, CANNOT_CONNECT, hint=check.hint or "--no-test adds it as it is.")
        if check.severity == "warning":
            hub.output().warn(f"{check.name}: {check.text}" + (f" ({check.hint})" if check.hint else ""))


@app.command(aliases=("rm",), says="Target {0.name} removed; its snapshots stay", undoable=False)
def remove(name: Annotated[str, Argument(help="The target.")]) -> Target:
    """Remove a target; its snapshots stay until they are forgotten."""
    from .service import targets

    return hub.unit(targets.remove, name)


@app.command(columns=TARGETS, empty="No targets but `hub`, the product's own store.")
def targets() -> list[Target]:
    """The targets that were added."""
    return hub.read(store.targets)


@app.command(columns=("target", "check", "severity", "text", "hint"), undoable=False)
def test(names: Names = None, repo: Repo = None) -> cli.Result:
    """Check credentials, rights, versions, readiness for points in time, and the repository's free space."""
    from . import access
    from .service import runs, targets

    use(repo)
    current = hub.current()
    rows: list[dict[str, Any]] = []
    for target in _chosen(names, everything=True):
        with targets.engine_of(target, current.settings.database) as engine:
            rows += [
                {
                    "target": target.name,
                    "check": c.name,
                    "severity": c.severity,
                    "text": c.text,
                    "hint": c.hint,
                }
                for c in engine.test()
            ]
    url = access.repo_url(current.settings)
    if space := runs.check_repo_free(url):
        from .report import size

        severity = "ok" if space["writable"] and space["free"] > 64 << 20 else "error"
        text = f"{size(space['free'])} free at {url}" + ("" if space["writable"] else ", not writable")
        rows.append(
            {"target": "repository", "check": "space", "severity": severity, "text": text, "hint": None}
        )
    return cli.Result(rows, CANNOT_CONNECT if any(r["severity"] == "error" for r in rows) else 0)


def _chosen(names: list[str] | None, *, everything: bool = False) -> list[Target]:
    from .service import targets as rules

    if names:
        return [hub.read(rules.find, name) for name in dict.fromkeys(names)]
    if everything and (found := hub.read(store.targets)):
        return found
    return [hub.read(rules.find, HUB)]


@app.command(undoable=False)
def run(
    names: Names = None,
    due: Annotated[bool, Option("--due", help="Whatever is due by its own schedule.")] = False,
    type: Annotated[str | None, Option("--type", help="auto, full, diff or incr.")] = None,
    dry_run: DryRun = False,
    timeout: Timeout = "6h",
    lock_wait: Annotated[
        str, Option("--lock-wait", help="Wait for another run so long.", metavar="SPAN")
    ] = "0",
    accept_shrink: Annotated[bool, Option("--accept-shrink", help="A much smaller dump is right.")] = False,
    jitter: Annotated[str | None, Option("--jitter", help="With --due: wait at random so long.")] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result | list[dict[str, Any]]:
    """Back up targets, or all that are due."""
    if due and not dry_run:
        if names:
            raise Invalid("--due chooses the targets itself.")
        # Looked at before anything is imported: this runs every few minutes on every host.
        if not hub.read(store.due, _now()):
            return _nothing_due()
    from .service import runs

    wish = runs.Wish(runs.valid_type(type), span(timeout), span(lock_wait) or 0, accept_shrink)
    if dry_run:
        return _plans(names, due, wish, repo, passphrase_file, identity)
    said = report()
    if due:
        runs.wait_jitter(jitter if jitter is not None else hub.current().settings.get("backup.jitter"))
    chosen = runs.due(hub.current()) if due else _chosen(names)
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(repository(repo, passphrase_file, identity))
        except (
            HubError
        ) as error:  # not mounted, wrong key, …: nobody looks at cron, so it is told like any failure
            return summed(said, [runs.failed(hub.current(), said, target, error) for target in chosen])
        for text in opened.warnings:
            said.warn(text)
        if due:
            jobs = runs.run_due(hub.current(), opened, said, chosen, wish)
        else:
            jobs = [runs.run(hub.current(), opened, said, target, wish) for target in chosen]
    return summed(said, jobs)


def _nothing_due() -> cli.Result:
    if hub.output().structured:
        return summed(report(), [])
    return cli.Result(None, 0)


def _now() -> Any:
    from backendhub.kit import clock

    return clock.now()


def _plans(
    names: list[str] | None,
    due: bool,
    wish: Wish,
    repo: str | None,
    passphrase_file: str | None,
    identity: str | None,
) -> list[dict[str, Any]]:
    from .service import runs

    chosen = runs.due(hub.current()) if due else _chosen(names)
    with repository(repo, passphrase_file, identity) as opened:
        return [runs.plan(hub.current(), opened, target, wish) for target in chosen]


@app.command(
    "list", aliases=("ls", "snapshots"), columns=SNAPSHOTS, empty="No snapshots yet: backendhub backup run"
)
def list_(
    name: Annotated[str | None, Argument(help="Only this target.")] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> list[dict[str, Any]]:
    """The snapshots, oldest first, and up to when logs can be replayed over each."""
    from .service import care

    with repository(repo, passphrase_file, identity) as opened:
        found = care.rows(opened.snapshots(name))
        for text in opened.warnings:
            hub.output().warn(text)
    return [_for_eyes(row) for row in found] if hub.output().format == "table" else found


def _for_eyes(row: dict[str, Any]) -> dict[str, Any]:
    """A row that fits a terminal: sizes in units, times to the minute."""
    from .report import size

    shown = {k: f"{row[k]:%Y-%m-%d %H:%M}" if row[k] else None for k in ("time", "drilled", "replayUntil")}
    return row | shown | {"bytes": size(row["bytes"]), "added": size(row["added"])}


@app.command(says=card, undoable=False)
def show(
    snapshot: Annotated[str, Argument(help="Its id, or `latest`; its number with --target.", metavar="SNAP")],
    target: Annotated[str | None, Option("--target", help="Of this target.")] = None,
    tables: Annotated[bool, Option("--tables", help="The tables in it (needs the key).")] = False,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> dict[str, Any] | list[dict[str, Any]]:
    """Everything about a snapshot, or its tables."""
    from .service import care

    with repository(repo, passphrase_file, identity) as opened:
        found = opened.find(snapshot, target)
        if tables:
            return [{"table": name, **facts} for name, facts in sorted(opened.tables(found).items())]
        about = care.row(found, None)
        about.pop("replayUntil")
        return {
            **about,
            "id": found.id,
            "quarantined": found.quarantined,
            "warnings": list(found.warnings),
            "packs": len(found.packs),
            "facts": dict(found.facts),
        }


@app.command(columns=LOG, empty="Nothing was run yet.")
def log(
    target: Annotated[str, Argument(help="Only this target.")] = "",
    failed: Annotated[bool, Option("--failed", help="Only what failed.")] = False,
    limit: Annotated[int, Option("--limit", min=1, help="How many, newest first.")] = 50,
) -> list[Entry]:
    """The runs, restores and drills of this host: when, how long, how they ended, why."""
    return hub.read(store.log, target=target, failed=failed, count=limit)


@app.command(undoable=False)
def status(
    names: Annotated[list[str] | None, Argument(help="Only these targets.", metavar="NAME")] = None,
    max_age: Annotated[
        str | None, Option("--max-age", help="50 if the newest is older: 26h.", metavar="SPAN")
    ] = None,
    max_drill_age: Annotated[
        str | None, Option("--max-drill-age", help="50 if the last drill is older: 8d.", metavar="SPAN")
    ] = None,
    textfile: Annotated[
        str | None, Option("--textfile", help="Write Prometheus metrics into this file.", metavar="FILE")
    ] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result:
    """How old is what is proven to restore? Exit 50 where something is too old."""
    from pathlib import Path

    from backendhub.kit import when

    from .service import care

    limits = [when.duration(text) if text else None for text in (max_age, max_drill_age)]
    with repository(repo, passphrase_file, identity) as opened:
        found, code = care.status(opened, hub.read(store.targets), names or [], limits[0], limits[1])
        for text in opened.warnings:
            hub.output().warn(text)
    if textfile is not None:
        care.write_metrics(found, Path(textfile).expanduser())
    output = hub.output()
    if output.format not in ("table", "plain") or output.fields:
        return cli.Result(found, code)
    for one in found:
        output.line(_headline(one))
    return cli.Result(None, code)


def _headline(one: Any) -> str:
    from backendhub.kit import clock

    proven = f"proven restorable as of {clock.ago(one.proven)}" if one.proven else "never proven restorable"
    drilled = f", drilled {clock.ago(one.drilled)}" if one.drilled else ""
    newest = f"newest snapshot {clock.ago(one.newest)}" if one.newest else "no snapshot"
    text = f"{one.target}: {proven}{drilled}; {newest}, {one.snapshots} good"
    if one.running:
        text += "; a run is at it"
    return text + "".join(f"\n  STALE: {why}" for why in one.stale)


# Last and in this order, for so does help list the commands: importing them registers them.
from . import cli_restore  # noqa: E402

# isort: split
from . import cli_care  # noqa: E402

__all__ = ["app", "cli_care", "cli_restore"]

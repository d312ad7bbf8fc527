"""Commands that look after the repository: forget, prune, copy, keys, schedule, repair."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid

from . import store
from .cli_base import DryRun, Identity, PassFile, Repo, app, path, report, repository, use

DECISIONS = ("target", "seq", "id", "time", "action", "reason")


@app.command(columns=DECISIONS, empty="No snapshots.", undoable=False)
def forget(
    name: Annotated[str | None, Argument(help="Only this target.")] = None,
    keep_last: Annotated[int, Option("--keep-last", min=0, help="So many newest.")] = 0,
    keep_hourly: Annotated[int, Option("--keep-hourly", min=0, help="One an hour, so many.")] = 0,
    keep_daily: Annotated[int, Option("--keep-daily", min=0, help="One a day, so many.")] = 0,
    keep_weekly: Annotated[int, Option("--keep-weekly", min=0, help="One a week, so many.")] = 0,
    keep_monthly: Annotated[int, Option("--keep-monthly", min=0, help="One a month, so many.")] = 0,
    keep_yearly: Annotated[int, Option("--keep-yearly", min=0, help="One a year, so many.")] = 0,
    keep_within: Annotated[
        str | None, Option("--keep-within", help="All younger than 30d.", metavar="SPAN")
    ] = None,
    dry_run: DryRun = False,
    force: Annotated[bool, Option("--force", help="Even if the clock seems to have jumped.")] = False,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> list[dict[str, Any]]:
    """Forget snapshots by rules, with the reason for each; the newest good and newest drilled one always stay."""
    from .service import care

    counts = {"last": keep_last, "hourly": keep_hourly, "daily": keep_daily, "weekly": keep_weekly}
    counts |= {"monthly": keep_monthly, "yearly": keep_yearly}
    keep: dict[str, Any] = {k: v for k, v in counts.items() if v} | (
        {"within": keep_within} if keep_within else {}
    )
    if not keep and name is not None and (target := hub.read(store.target, name)) is not None:
        keep = target.keep
    with repository(repo, passphrase_file, identity) as opened:
        decisions = care.forget(opened, keep, target=name, dry_run=dry_run, force=force)
    gone = sum(not d.keep for d in decisions)
    hub.output().note(f"{gone} of {len(decisions)} snapshots {'would be' if dry_run else 'were'} forgotten.")
    return [care.decision_row(d) for d in decisions]


@app.command(undoable=False)
def prune(
    grace: Annotated[
        str, Option("--grace", help="How long a pack waits before it goes.", metavar="SPAN")
    ] = "24h",
    dry_run: DryRun = False,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result:
    """Delete what no snapshot needs; works on a full disk."""
    from datetime import timedelta

    from .report import size
    from .service.runs import seconds

    said = report()
    with repository(repo, passphrase_file, identity) as opened, said.progress("prune", None) as step:
        done = opened.prune(grace=timedelta(seconds=seconds(grace)), dry_run=dry_run, progress=step)
    counts = {k: len(getattr(done, k)) for k in ("deleted", "condemned", "spared", "repacked")}
    for text in done.notes:
        said.event("note", text)
    said.event(
        "finish",
        ("Would be: " if dry_run else "")
        + f"{counts['deleted']} packs deleted, {size(done.freed)} freed; "
        + f"{counts['condemned']} condemned, {counts['repacked']} repacked, {size(done.kept)} kept",
    )
    said.summary("ok", 0, **counts, bytes_freed=done.freed, bytes_kept=done.kept, dry_run=dry_run)
    return cli.Result(None, 0)


@app.command(undoable=False)
def copy(
    to: Annotated[str, Option("--to", help="The other repository.", metavar="URL")],
    name: Annotated[str | None, Argument(help="Only this target.")] = None,
    to_passphrase_file: Annotated[
        str | None, Option("--to-passphrase-file", help="Its passphrase (default: the same).", metavar="FILE")
    ] = None,
    init: Annotated[bool, Option("--init", help="Make it if it is not there.")] = False,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> cli.Result:
    """Copy snapshots into another repository; what is there already is left alone."""
    from . import access
    from .models import NO_REPOSITORY, BackupError
    from .report import size
    from .repository.repo import Repository

    said = report()
    with repository(repo, passphrase_file, identity) as opened:
        file = path(to_passphrase_file)
        words = access.passphrase_in(file) if file else access.passphrase(hub.current().settings)
        url = access.absolute(to)
        try:
            other = Repository.open(url, passphrase=words, cache_dir=access.cache_dir())
        except BackupError as error:
            if error.exit_code != NO_REPOSITORY or not init:
                raise
            other = Repository.init(url, passphrase=words, cache_dir=access.cache_dir())
        with other, said.progress("copy", None) as step:
            chosen = opened.snapshots(name) if name else None
            done = opened.copy_to(other, snapshots=chosen, progress=step)
    text = f"{len(done.copied)} snapshots copied, {done.present} were there, {size(done.added)} added"
    said.event("finish", text)
    said.summary("ok", 0, copied=len(done.copied), present=done.present, bytes_added=done.added)
    return cli.Result(None, 0)


@app.command(
    "repair-index", undoable=False, says="{0[packs]} packs, {0[chunks]} chunks, {0[unreadable]} unreadable"
)
def repair_index(
    repo: Repo = None, passphrase_file: PassFile = None, identity: Identity = None
) -> dict[str, int]:
    """Rebuild the local index from the packs themselves."""
    with repository(repo, passphrase_file, identity) as opened:
        found = opened.repair_index()
        for text in opened.warnings:
            hub.output().warn(text)
    return found


@app.command(undoable=False)
def unlock(repo: Repo = None, passphrase_file: PassFile = None, identity: Identity = None) -> list[str]:
    """Remove what dead processes left behind; locks themselves die with their process."""
    with repository(repo, passphrase_file, identity) as opened:
        removed = opened.unlock()
    hub.output().note("Nothing was left behind." if not removed else f"{len(removed)} leftovers removed.")
    return removed


keys = app.group("key", "The keys of the repository")
NewFile = Annotated[
    str | None, Option("--new-passphrase-file", help="File with the new passphrase.", metavar="FILE")
]
Recipient = Annotated[str | None, Option("--recipient", help="A public key: age1…", metavar="AGE1")]


@keys.command("add", says="Key added: {0[key]}", undoable=False)
def key_add(
    new_passphrase_file: NewFile = None,
    recipient: Recipient = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> dict[str, str]:
    """Add a passphrase, or a recipient of what is written from now on."""
    from . import access

    file = path(new_passphrase_file)
    words = access.passphrase_in(file) if file else None
    with repository(repo, passphrase_file, identity) as opened:
        return {"key": opened.add_key(passphrase=words, recipient=recipient)}


@keys.command("rotate", says="New key: {0[key]}", undoable=False)
def key_rotate(
    new_passphrase_file: NewFile = None,
    recipient: Annotated[
        list[str] | None, Option("--recipient", help="Public keys: age1…", metavar="AGE1")
    ] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> dict[str, str]:
    """New keys from now on; what was stored before stays readable with them."""
    from . import access

    file = path(new_passphrase_file)
    words = access.passphrase_in(file) if file else None
    with repository(repo, passphrase_file, identity) as opened:
        return {"key": opened.rotate_key(passphrase=words, recipients=recipient or ())}


@keys.command("export", undoable=False)
def key_export(
    output: Annotated[
        str | None, Option("-o", "--output", help="A new file, mode 0600.", metavar="FILE")
    ] = None,
    repo: Repo = None,
    passphrase_file: PassFile = None,
    identity: Identity = None,
) -> str | None:
    """An age identity file that opens the repository: for the safe, and for restore_standalone.py."""
    import os

    with repository(repo, passphrase_file, identity) as opened:
        text = opened.export_key()
    if output is None:
        hub.output().raw(text if text.endswith("\n") else text + "\n")
        return None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(os.path.expanduser(output), flags, 0o600), "w") as file:  # noqa: PTH111
        file.write(text)
    return f"Written to {output}"


@app.command(undoable=False)
def schedule(
    kind: Annotated[str, Argument(help="cron, systemd, launchd or windows.", metavar="KIND")],
    install: Annotated[bool, Option("--install", help="Put it into effect.")] = False,
    remove: Annotated[bool, Option("--remove", help="Take it out again.")] = False,
    every: Annotated[int, Option("--every", min=1, max=59, help="Minutes between two looks.")] = 15,
    repo: Repo = None,
) -> None:
    """Have `run --due` started every quarter of an hour; prints how, unless --install or --remove."""
    from . import schedule as rules

    use(repo)
    if install and remove:
        raise Invalid("Either --install or --remove.")
    made = rules.plan(kind, every=every, database=hub.current().settings.flags.get("database"), repo=repo)
    if not install and not remove:
        hub.output().raw(made.text)
        return
    for text in made.install() if install else made.remove():
        hub.output().line(text)

"""`backendhub doctor`: is everything this product stands on in order, and if not, what to do."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from backendhub import __version__, registry
from backendhub.kit import cli, clock, hub
from backendhub.kit.db import Db, status
from backendhub.kit.db.migrate import changed
from backendhub.kit.errors import HubError

app = cli.commands("doctor")
COMMANDS = {"doctor": app}
MIN_FREE = 100 * 2**20
SERVICES = (
    ("PostgreSQL", ("BACKENDHUB_TEST_POSTGRES",), "127.0.0.1", 5432),
    ("Redis", ("BACKENDHUB_REDIS", "BACKENDHUB_TEST_REDIS"), "127.0.0.1", 6379),
)


class Line(NamedTuple):
    """One finding: `status` is ok, warn or fail."""

    check: str
    status: str
    detail: str
    hint: str = ""


@app.command(default=True, undoable=False, columns=Line._fields)
def doctor() -> cli.Result | list[Line]:
    """Check store, permissions, migrations, extras, services, clock, config file and shell completion.

    Exit code 1 where anything fails; a warning does not count.
    """
    found = list(diagnose())
    return cli.Result(found, 1) if any(line.status == "fail" for line in found) else found


def diagnose() -> Iterator[Line]:
    """Every finding."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Line("version", "ok", f"backendhub {__version__} on Python {version}")
    yield from config()
    yield from store()
    yield from clock_lines()
    yield from extra_lines()
    yield from services()
    yield completion()


# -- files ------------------------------------------------------------------------------------------------


def config() -> Iterator[Line]:
    """Whether the config file can be read, by its owner alone."""
    settings = hub.current().settings
    if not settings.path.exists():
        yield Line("config", "ok", f"no file (it would be {settings.path})")
        return
    try:
        unknown = [
            v.name for v in settings.values() if v.source == "file" and v.name not in settings.declared
        ]
    except HubError as error:
        yield Line("config", "fail", error.message, error.hint or "")
        return
    yield _private("config", settings.path)
    if unknown:
        yield Line("config", "warn", "no tool knows " + ", ".join(unknown), "backendhub config unset NAME")


def _private(check: str, path: Path) -> Line:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        return Line(check, "warn", f"{path} can be read by others (mode {mode:04o})", f"chmod 600 {path}")
    return Line(check, "ok", f"{path} (mode {mode:04o})")


# -- store ------------------------------------------------------------------------------------------------


def store() -> Iterator[Line]:
    """Whether the store opens, who may read it, whether it is sound and current."""
    current = hub.current()
    url = current.settings.database
    path = None if "://" in url and not url.startswith("sqlite:///") else Path(url.removeprefix("sqlite:///"))
    if path is not None and url != ":memory:":
        path = path.expanduser()
        if not path.exists():
            yield Line("store", "ok", f"{path} does not exist yet: the first use makes it")
            return
        if path.is_file():
            yield _private("permissions", path)
            yield _space(path)
    try:
        problems = current.read(_integrity)
        label = current.store.url
        yield Line("store", "fail" if problems else "ok", problems or f"{label} is sound", _restore(problems))
        yield from current.read(_migrations)
        yield from current.read(_secrets)
    except HubError as error:
        yield Line("store", "fail", error.message, error.hint or "")


def _restore(problems: str) -> str:
    return "restore it: backendhub backup restore hub" if problems else ""


def _space(path: Path) -> Line:
    import shutil

    free = shutil.disk_usage(path.parent).free
    text = f"{free / 2**20:,.0f} MB free at {path.parent}"
    return Line(
        "disk", "warn" if free < MIN_FREE else "ok", text, "free some space" if free < MIN_FREE else ""
    )


def _integrity(db: Db) -> str:
    """What SQLite finds wrong with the file; nothing for PostgreSQL, which checks its pages itself."""
    if db.dialect != "sqlite":
        db.value("SELECT 1")
        return ""
    found = [str(row[0]) for row in db.fetch("PRAGMA quick_check(5)", {})]
    if found != ["ok"]:
        return "damaged: " + "; ".join(found)
    broken = db.fetch("PRAGMA foreign_key_check", {})
    return f"{len(broken)} rows refer to rows that are gone ({broken[0][0]})" if broken else ""


def _migrations(db: Db) -> list[Line]:
    from backendhub.app.database import systems

    lines, waiting = [], 0
    for name in systems(()):
        try:
            waiting += sum(not m.applied for m in status(db, name))
        except HubError as error:
            lines.append(Line("migrations", "fail", error.message, error.hint or ""))
        if edited := changed(db, name):
            text = f"{name}: {', '.join(edited)} is not the text that was applied"
            lines.append(Line("migrations", "fail", text, "reinstall backendhub"))
    detail = f"{waiting} pending: applied when their tool is first used" if waiting else "all applied"
    return lines or [Line("migrations", "ok", detail)]


def _secrets(db: Db) -> list[Line]:
    """Whether signing keys, TOTP and webhook secrets are encrypted, where there are any."""
    from backendhub.app import sealed as secrets
    from backendhub.kit import sealing

    try:
        sealed, plain, lost = secrets.counted(db)
        keyed = bool(sealing.keys())
    except HubError as error:
        return [Line("secrets", "fail", error.message, error.hint or "")]
    if not sealed + plain + lost:
        return []
    if lost:
        text = f"{lost} secrets are encrypted with a key that is not here"
        return [Line("secrets", "fail", text, f"set {sealing.VARIABLE} to it")]
    if keyed and plain:
        text = f"{plain} of {sealed + plain} secrets are not encrypted yet"
        return [Line("secrets", "warn", text, "backendhub user secret apply")]
    how = "encrypted" if keyed or sealed else "not encrypted: the store's mode protects them"
    return [Line("secrets", "ok", f"{sealed + plain} secrets (signing keys, TOTP, webhooks), {how}")]


# -- clock ------------------------------------------------------------------------------------------------


def clock_lines() -> Iterator[Line]:
    """Whether the time is plausible: times only go forward in a store."""
    now = clock.now()
    zone = now.astimezone().strftime("%Z")
    if os.environ.get("BACKENDHUB_NOW"):
        yield Line("clock", "warn", f"held at {clock.iso(now)} by BACKENDHUB_NOW", "unset BACKENDHUB_NOW")
    elif now.year < 2025:
        yield Line("clock", "fail", f"it is set to {clock.iso(now)}", "set the system clock")
    elif (latest := _latest()) is not None and latest > clock.iso(now + timedelta(minutes=5)):
        yield Line("clock", "warn", f"the store was written in the future ({latest})", "set the system clock")
    else:
        yield Line("clock", "ok", f"{clock.iso(now)}, local time zone {zone}")


def _latest() -> str | None:
    """When the store was last migrated, None where there is none to ask (`store` says why)."""
    current = hub.current()
    database = current.settings.database
    if "://" not in database and not Path(database).expanduser().is_file():
        return None
    try:
        latest: str | None = current.read(Db.value, "SELECT max(applied_at) FROM hub_migrations")
        return latest
    except HubError:
        return None


# -- extras and services ----------------------------------------------------------------------------------


def extras() -> dict[str, bool]:
    """Each optional extra and whether everything it needs is installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    found: dict[str, bool] = {}
    for requirement in distribution("backendhub").requires or ():
        match = re.match(r"([\w.-]+)[^;]*;.*extra == ['\"]([\w-]+)['\"]", requirement)
        if match is None or match[2] == "all":
            continue
        try:
            distribution(match[1])
            installed = True
        except PackageNotFoundError:
            installed = False
        found[match[2]] = found.get(match[2], True) and installed
    return found


def extra_lines() -> Iterator[Line]:
    """Which extras are there, and the command for those that are not."""
    wanted = {name for system in registry.SYSTEMS for name in system.extras}
    for name, installed in extras().items():
        if installed:
            yield Line("extra", "ok", f"{name} is installed")
        else:
            used = " (tools of this installation use it)" if name in wanted else " (optional)"
            command = f"pipx install 'backendhub[{name}]' --force"
            yield Line("extra", "ok", f"{name} is not installed{used}", command)


def services(connect: Callable[[str, int], bool] | None = None) -> Iterator[Line]:
    """Whether servers that can be used answer. One that was named by a variable must."""
    reach = connect or _reachable
    for name, variables, host, port in SERVICES:
        variable = next((v for v in variables if os.environ.get(v)), None)
        if variable is not None:
            from urllib.parse import urlsplit

            parts = urlsplit(os.environ[variable])
            host, port = parts.hostname or host, parts.port or port
        if reach(host, port):
            yield Line("service", "ok", f"{name} answers at {host}:{port}")
        elif variable is not None:
            yield Line(
                "service",
                "warn",
                f"{name} does not answer at {host}:{port}",
                f"start it, or unset {variable}",
            )
        else:
            yield Line("service", "ok", f"{name} is not running at {host}:{port} (optional)")


def _reachable(host: str, port: int) -> bool:
    import socket

    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


# -- shell ------------------------------------------------------------------------------------------------


def completion() -> Line:
    """Whether the shell in use completes our commands."""
    from backendhub.app.completion import FILES

    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in FILES:
        return Line(
            "completion", "ok", f"none for {shell or 'an unknown shell'}; there is one for bash, zsh, fish"
        )
    file, startup = (Path(name).expanduser() for name in FILES[shell])
    if file.exists():
        return Line("completion", "ok", f"{shell}: {file}")
    try:
        sourced = "backendhub completion" in startup.read_text(encoding="utf-8", errors="replace")
    except OSError:
        sourced = False
    if sourced:
        return Line("completion", "ok", f"{shell}: {startup}")
    command = f"mkdir -p {file.parent} && backendhub completion {shell} > {file}"
    return Line("completion", "ok", f"{shell} does not complete backendhub yet", command)

"""Who starts `run --due`: cron, systemd, launchd or the Windows task scheduler. One line serves every target."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from backendhub.kit.errors import Invalid

from .models import BackupError

BEGIN, END = "# >>> backendhub backup >>>", "# <<< backendhub backup <<<"
LABEL = "backendhub.backup"
UNIT = "backendhub-backup"


class Plan(Protocol):
    """A way of scheduling."""

    @property
    def text(self) -> str: ...
    def install(self) -> list[str]: ...
    def remove(self) -> list[str]: ...


def plan(kind: str, *, every: int = 15, database: str | None = None, repo: str | None = None) -> Plan:
    """How this system starts things. Raises Invalid for an unknown kind."""
    words = [*program(), *(["--db", database] if database else []), "backup", "run", "--due", "--quiet"]
    words += ["--repo", repo] if repo else []
    if kind == "cron":
        return Cron(words, every)
    if kind == "systemd":
        return Systemd(words, every)
    if kind == "launchd":
        return Launchd(words, every)
    if kind == "windows":
        return Windows(words, every)
    raise Invalid(f"There is no schedule {kind!r}.", hint="cron, systemd, launchd or windows")


def program() -> list[str]:
    """How this very installation is started, by absolute path: cron has a short PATH."""
    script = Path(sys.executable).with_name("backendhub.exe" if os.name == "nt" else "backendhub")
    return [str(script)] if script.exists() else [sys.executable, "-m", "backendhub"]


def _run(argv: list[str], *, stdin: str | None = None) -> str:
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        raise BackupError(f"{argv[0]} is not installed.", 1) from None
    if done.returncode:
        raise BackupError(f"{argv[0]} ended with code {done.returncode}: {done.stderr.strip()}", 1)
    return done.stdout


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".tmp")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)


def _home(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser()


@dataclass(frozen=True, slots=True)
class Cron:
    """A block between two markers in the user's crontab; the rest of it is left as it is."""

    words: list[str]
    every: int

    @property
    def text(self) -> str:
        """The block."""
        line = " ".join(shlex.quote(word) for word in self.words).replace("%", r"\%")  # cron: % is a newline
        return f"{BEGIN}\n*/{self.every} * * * * {line}\n{END}\n"

    def install(self) -> list[str]:
        """Puts the block in, or in place of the one that is there."""
        _run(["crontab", "-"], stdin=self._others() + self.text)
        return ["Installed in the crontab (`crontab -l` shows it)."]

    def remove(self) -> list[str]:
        """Takes the block out."""
        before, others = self._present(), self._others()
        if before == others:
            return ["There was nothing of ours in the crontab."]
        _run(["crontab", "-"], stdin=others)
        return ["Removed from the crontab."]

    def _present(self) -> str:
        try:
            done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            raise BackupError("crontab is not installed.", 1, hint="Install cron, or use systemd.") from None
        if done.returncode and "no crontab" not in done.stderr:
            # Taking an error for an empty crontab would delete everybody else's lines.
            raise BackupError(f"The crontab cannot be read: {done.stderr.strip()}", 1)
        return done.stdout if not done.returncode else ""

    def _others(self) -> str:
        kept, inside = [], False
        for line in self._present().splitlines(keepends=True):
            if line.strip() == BEGIN:
                inside = True
            elif line.strip() == END:
                inside = False
            elif not inside:
                kept.append(line)
        if inside:
            raise BackupError(f"The crontab has `{BEGIN}` without its end.", 2, hint="crontab -e")
        text = "".join(kept)
        return text if not text or text.endswith("\n") else text + "\n"


@dataclass(frozen=True, slots=True)
class Systemd:
    """A timer of the user's own systemd."""

    words: list[str]
    every: int

    @property
    def files(self) -> dict[str, str]:
        """The units by file name."""
        # Their own quoting: % and $ are special, and so are quotes.
        line = " ".join(
            '"' + w.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'
            for w in self.words
        )
        service = (
            f"[Unit]\nDescription=backendhub backup run --due\n\n[Service]\nType=oneshot\nExecStart={line}\n"
            "Nice=10\nIOSchedulingClass=idle\n"
        )
        timer = (
            f"[Unit]\nDescription=Back up what is due\n\n[Timer]\nOnCalendar=*:0/{self.every}\nPersistent=true\n\n"
            "[Install]\nWantedBy=timers.target\n"
        )
        return {f"{UNIT}.service": service, f"{UNIT}.timer": timer}

    @property
    def folder(self) -> Path:
        """Where user units lie."""
        return _home("XDG_CONFIG_HOME", "~/.config") / "systemd" / "user"

    @property
    def text(self) -> str:
        """Both units."""
        return "\n".join(f"# {self.folder / name}\n{text}" for name, text in self.files.items())

    def install(self) -> list[str]:
        """Writes the units and starts the timer."""
        for name, text in self.files.items():
            _write(self.folder / name, text)
        _run(["systemctl", "--user", "daemon-reload"])
        _run(["systemctl", "--user", "enable", "--now", f"{UNIT}.timer"])
        return [
            f"Installed {UNIT}.timer in {self.folder}.",
            "It runs while you are logged in; `loginctl enable-linger` lets it run always.",
        ]

    def remove(self) -> list[str]:
        """Stops the timer and deletes the units."""
        if not (self.folder / f"{UNIT}.timer").exists():
            return [f"There is no {UNIT}.timer in {self.folder}."]
        _run(["systemctl", "--user", "disable", "--now", f"{UNIT}.timer"])
        for name in self.files:
            (self.folder / name).unlink(missing_ok=True)
        _run(["systemctl", "--user", "daemon-reload"])
        return [f"Removed {UNIT}.timer."]


@dataclass(frozen=True, slots=True)
class Launchd:
    """A launch agent of macOS."""

    words: list[str]
    every: int

    @property
    def file(self) -> Path:
        """Where the agent lies."""
        return Path("~/Library/LaunchAgents").expanduser() / f"{LABEL}.plist"

    @property
    def text(self) -> str:
        """The property list."""
        import plistlib

        about = {"Label": LABEL, "ProgramArguments": self.words, "StartInterval": self.every * 60, "Nice": 10}
        return plistlib.dumps(about | {"ProcessType": "Background"}).decode()

    def install(self) -> list[str]:
        """Writes the agent and loads it."""
        _write(self.file, self.text)
        _run(["launchctl", "load", "-w", str(self.file)])
        return [f"Installed {self.file}."]

    def remove(self) -> list[str]:
        """Unloads the agent and deletes it."""
        if not self.file.exists():
            return [f"There is no {self.file}."]
        _run(["launchctl", "unload", "-w", str(self.file)])
        self.file.unlink()
        return [f"Removed {self.file}."]


@dataclass(frozen=True, slots=True)
class Windows:
    """A task of the Windows task scheduler."""

    words: list[str]
    every: int
    name: str = field(default="backendhub backup")

    @property
    def _create(self) -> list[str]:
        command = subprocess.list2cmdline(self.words)
        return [
            "schtasks",
            "/Create",
            "/F",
            "/SC",
            "MINUTE",
            "/MO",
            str(self.every),
            "/TN",
            self.name,
            "/TR",
            command,
        ]

    @property
    def text(self) -> str:
        """The command that makes the task."""
        return subprocess.list2cmdline(self._create) + "\n"

    def install(self) -> list[str]:
        """Makes the task."""
        self._need()
        _run(self._create)
        return [f"Installed the task {self.name!r}."]

    def remove(self) -> list[str]:
        """Deletes the task."""
        self._need()
        _run(["schtasks", "/Delete", "/F", "/TN", self.name])
        return [f"Removed the task {self.name!r}."]

    def _need(self) -> None:
        if shutil.which("schtasks") is None:
            raise BackupError("schtasks is not installed: this works on Windows only.", 1)

"""Opening the repository: where it is, with which key. Keys come from files and commands, never from argv."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from backendhub.kit.errors import Invalid
from backendhub.kit.settings import Settings, user_dir

from .models import WRONG_KEY, BackupError

if TYPE_CHECKING:
    from .repository.repo import Repository


def default_repo() -> str:
    """The repository that `init` makes when told nothing."""
    return str(user_dir("data") / "backups")


def default_passphrase_file() -> Path:
    """Where the generated passphrase of that repository lies."""
    return user_dir("config") / "backup.passphrase"


def cache_dir() -> Path:
    """Where what can be rebuilt is kept."""
    return user_dir("cache") / "backup"


def repo_url(settings: Settings) -> str:
    """The repository's URL; a relative directory becomes absolute, for cron starts elsewhere."""
    return absolute(settings.get("backup.repo") or default_repo())


def absolute(url: str) -> str:
    """A URL as it is, a directory as an absolute path."""
    return url if "://" in url else str(Path(url).expanduser().absolute())


def secret_in(path: Path, what: str) -> str:
    """The content of a secret file. Raises Invalid where others may read it."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077 and not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
                raise Invalid(
                    f"The {what} {path} can be read by others (mode {mode:04o}).",
                    hint=f"chmod 600 {shlex.quote(str(path))}",
                )
            text = file.read(1 << 16).decode()
    except OSError as error:
        raise BackupError(f"The {what} {path} cannot be read: {error.strerror}.", WRONG_KEY) from None
    except UnicodeDecodeError:
        raise BackupError(f"The {what} {path} is not UTF-8 text.", WRONG_KEY) from None
    if not text.strip():
        raise BackupError(f"The {what} {path} is empty.", WRONG_KEY)
    return text


def passphrase_in(path: Path) -> str:
    """The first line of a passphrase file."""
    return secret_in(path, "passphrase file").splitlines()[0]


def passphrase(settings: Settings) -> str | None:
    """The passphrase, from the file, the command or the default file; None where there is none."""
    if name := settings.get("backup.passphrase_file"):
        return passphrase_in(Path(name).expanduser())
    if command := settings.get("backup.passphrase_command"):
        return _said_by(command)
    default = default_passphrase_file()
    return passphrase_in(default) if default.exists() else None


def _said_by(command: str) -> str:
    import subprocess

    try:
        words = shlex.split(command)
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise BackupError(f"passphrase_command failed: {type(error).__name__}", WRONG_KEY) from None
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode or not lines or not lines[0]:
        # What it printed is not shown: it may be half of a passphrase.
        raise BackupError(f"passphrase_command ended with code {done.returncode}, no passphrase.", WRONG_KEY)
    return lines[0]


def opened(settings: Settings) -> Repository:
    """The repository, open. With no key at all, one with recipients opens for writing only."""
    from .repository.repo import Repository

    url = repo_url(settings)
    if name := settings.get("backup.identity_file"):
        identity = secret_in(Path(name).expanduser(), "identity file")
        return Repository.open(url, identity=identity, cache_dir=cache_dir())
    words = passphrase(settings)
    try:
        return Repository.open(url, passphrase=words, cache_dir=cache_dir())
    except BackupError as error:
        named = settings.get("backup.passphrase_file") or settings.get("backup.passphrase_command")
        if error.exit_code != WRONG_KEY or words is None or named:
            raise
        # The default file belongs to some other repository; this one may have recipients and take no passphrase.
        try:
            return Repository.open(url, cache_dir=cache_dir())
        except BackupError:
            raise error from None


def write_passphrase(path: Path) -> str:
    """A fresh passphrase of 160 bits in a file that only its owner reads; an existing file is used as it is."""
    import secrets

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    words = "-".join(secrets.token_hex(5) for _ in range(4))
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return passphrase_in(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(words + "\n")
        file.flush()
        os.fsync(file.fileno())
    return words

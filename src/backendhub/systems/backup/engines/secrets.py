"""Where passwords come from and how children get them: on Linux only through an anonymous memory file.

Never argv, never the environment; elsewhere than Linux a 0600 file in a 0700 directory that is removed.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backendhub.kit.errors import Invalid
from backendhub.systems.backup.models import CANNOT_CONNECT, BackupError


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that only the child can read: its path as the child sees it and the descriptors to pass on."""

    path: str
    fds: tuple[int, ...]


def password(options: Mapping[str, Any]) -> str | None:
    """The password that the options name, or None to leave it to ~/.pgpass or ~/.my.cnf."""
    if options.get("password") is not None:
        raise Invalid("A password is never stored as an option.", hint="Use password_cmd= or password_file=.")
    if command := options.get("password_cmd"):
        return _from_command(str(command))
    if path := options.get("password_file"):
        return _from_file(Path(str(path)).expanduser())
    return None


def _from_command(command: str) -> str:
    words = shlex.split(command)
    if not words:
        raise Invalid("password_cmd is empty.")
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise BackupError(f"password_cmd failed: {words[0]}: {problem}", CANNOT_CONNECT) from None
    if done.returncode != 0:
        # Its output is not shown: a half-failed command may have printed the password.
        raise BackupError(f"password_cmd {words[0]!r} ended with code {done.returncode}.", CANNOT_CONNECT)
    return _first_line(done.stdout, "password_cmd")


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o027:
                raise Invalid(
                    f"The password file {path} can be read by others (mode {stat.S_IMODE(mode):04o}).",
                    hint=f"chmod 600 {shlex.quote(str(path))}",
                )
            return _first_line(file.read(65536), f"password file {path}")
    except OSError as problem:
        raise BackupError(
            f"The password file {path} cannot be read: {problem.strerror}.", CANNOT_CONNECT
        ) from None


def _first_line(data: bytes, whose: str) -> str:
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise BackupError(f"The {whose} does not give UTF-8 text.", CANNOT_CONNECT) from None
    if not lines or not lines[0] or "\x00" in lines[0]:
        raise BackupError(f"The {whose} gives no password.", CANNOT_CONNECT)
    return lines[0]


def pgpass(secret: str) -> str:
    """A .pgpass file with this password for whatever the client connects to."""
    escaped = secret.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"


def my_cnf(secret: str) -> str:
    """An option file with this password for every MariaDB or MySQL client program."""
    escaped = secret.replace("\\", "\\\\").replace("\t", "\\t")
    return f'[client]\npassword="{escaped}"\n'


@contextmanager
def secret_file(text: str) -> Iterator[SecretFile]:
    """Holds a secret in a file for the length of a block."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("secret", os.MFD_CLOEXEC), "wb", buffering=0) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text.encode())
            yield SecretFile(f"/dev/fd/{file.fileno()}", (file.fileno(),))
        return
    with tempfile.TemporaryDirectory(prefix="backendhub-") as folder:
        path = Path(folder, "secret")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        yield SecretFile(str(path), ())

"""Settings: a flag beats the environment beats the config file beats the default.

The file is `config.toml` in the platform's config directory (`backendhub config path`), mode 0600; a dotted
name is a key in a table (`github.token` is `token` under `[github]`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from backendhub.kit.errors import Invalid

if TYPE_CHECKING:

    class Declared(Protocol):
        """What a setting declares of itself."""

        @property
        def name(self) -> str: ...
        @property
        def help(self) -> str: ...
        @property
        def default(self) -> str | None: ...
        @property
        def env(self) -> tuple[str, ...]: ...
        @property
        def secret(self) -> bool: ...


class Setting(NamedTuple):
    """One of the kit's own settings."""

    name: str
    help: str
    default: str | None = None
    env: tuple[str, ...] = ()
    secret: bool = False


class Value(NamedTuple):
    """A setting as `backendhub config` shows it."""

    name: str
    value: str | None
    source: str
    help: str


CORE = (
    Setting("database", "URL or file of the store", env=("BACKENDHUB_DATABASE", "BACKENDHUB_DB")),
    Setting("redis", "URL of a Redis for cache, limits and events; none: the memory of the process"),
    Setting("bus", "URL of a bus for events: redis://, amqp:// or nats://; none: the store"),
    Setting("format", "output format: table, plain, json, ndjson or csv"),
    Setting("color", "always, never or auto", "auto"),
    Setting("offline", "never use the network, answer from the cache", "false"),
    Setting("cache", "take answers of other servers from the cache", "true"),
    Setting("fetch.allow", "private addresses, networks and hosts that URLs of users may lead to"),
    Setting("fetch.ports", "ports that URLs of users may name, such as 80,443,8000-8999"),
    Setting("files", "where files are kept: a directory or s3://bucket/prefix"),
    Setting("files.quota", "bytes that one owner may keep, such as 5GB; none: no limit"),
    Setting("files.limit", "bytes that one file may have, such as 500MB; none: no limit"),
    Setting("files.direct", "hand out addresses of the bucket itself, where it can sign them", "true"),
    Setting("timeout", "seconds to wait for another server", "15"),
    Setting(
        "mail.url",
        "server that takes mail, smtp://user:password@host:587; without it mail is kept",
        secret=True,
    ),
    Setting("mail.from", "who mail is from, such as Shop <shop@example.org>"),
    Setting("jobs.concurrency", "jobs of one queue that a worker runs at a time", "10"),
    Setting("jobs.lease", "seconds after which the jobs of a lost worker go to another", "60"),
    Setting("auth", "who may use what `serve` serves: none (anybody) or token (accounts)", "none"),
    Setting(
        "accounts.signup", "open: anybody may register; closed: only administrators make accounts", "open"
    ),
    Setting("accounts.tries", "sign-ins, and sign-ups, from one address in five minutes; 0: no limit", "300"),
    Setting("accounts.algorithm", "how access tokens are signed: ES256, Ed25519, RS256 or HS256", "ES256"),
    Setting("accounts.secret", "shared secret of HS256, at least 32 bytes", secret=True),
    Setting("accounts.issuer", "`iss` of access tokens", "backendhub"),
    Setting("accounts.audience", "`aud` of access tokens", "authenticated"),
    Setting("accounts.access_ttl", "seconds that an access token holds", "3600"),
    Setting("accounts.session_ttl", "seconds that a sign-in holds at most", "2592000"),
    Setting("accounts.session_idle", "seconds without use that end a sign-in; 0: none do", "604800"),
    Setting("accounts.refresh_grace", "seconds in which a refresh token may come twice", "10"),
    Setting("accounts.password_length", "characters that a new password has at least", "8"),
    Setting(
        "accounts.strict",
        "refuse known passwords on every wire, and ask for the present one before a new one; "
        "unless said: with --auth token",
    ),
    Setting("accounts.password_known", "refuse passwords that are known from breaches", "true"),
    Setting("accounts.hash_memory", "KiB of memory a password hash takes (Argon2id)", "19456"),
    Setting("accounts.hash_passes", "passes of a password hash (Argon2id)", "2"),
)


def user_dir(kind: str) -> Path:
    """The platform's `config`, `data` or `cache` directory for this product.

    On Linux this is the XDG rule itself: importing platformdirs for it would cost every command 10 ms.
    """
    if sys.platform == "linux":
        fallback = {"config": "~/.config", "data": "~/.local/share", "cache": "~/.cache"}[kind]
        base = os.environ.get(f"XDG_{kind.upper()}_HOME", "")
        return Path(base if os.path.isabs(base) else fallback).expanduser() / "backendhub"  # noqa: PTH117
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_dir")("backendhub", appauthor=False))


class Settings:
    """Looks values up by name. `flags` are those given on the command line."""

    def __init__(
        self,
        flags: Mapping[str, str] | None = None,
        *,
        declared: Iterable[Declared] = (),
        environ: Mapping[str, str] | None = None,
        path: Path | None = None,
    ) -> None:
        self.flags = dict(flags or {})
        self.environ = os.environ if environ is None else environ
        self.declared: dict[str, Declared] = {s.name: s for s in (*CORE, *declared)}
        self._path = path

    @cached_property
    def path(self) -> Path:
        """The config file, whether or not it exists."""
        if self._path is not None:
            return self._path
        named = self.environ.get("BACKENDHUB_CONFIG")
        return Path(named) if named else user_dir("config") / "config.toml"

    @cached_property
    def file(self) -> dict[str, str]:
        """What the config file says, with dotted names. Raises Invalid where it is not TOML."""
        try:
            raw = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise Invalid(f"The config file {self.path} cannot be read: {error.strerror}.") from error
        import tomllib

        try:
            return _flat(tomllib.loads(raw.decode()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Invalid(
                f"The config file {self.path} is not valid TOML: {error}.", hint="backendhub config path"
            ) from error

    def lookup(self, name: str) -> tuple[str | None, str]:
        """A value and where it came from: `flag`, `environment (NAME)`, `file` or `default`."""
        if name in self.flags:
            return self.flags[name], "flag"
        known = self.declared.get(name)
        derived = "BACKENDHUB_" + name.replace(".", "_").replace("-", "_").upper()
        for variable in (derived, *(known.env if known else ())):
            if value := self.environ.get(variable):
                return value, f"environment ({variable})"
        if name in self.file:
            return self.file[name], "file"
        return (known.default if known else None), "default"

    def get(self, name: str) -> str | None:
        """The value, or None where nothing sets it."""
        return self.lookup(name)[0]

    def flag(self, name: str) -> bool:
        """A yes-or-no setting. Raises Invalid for anything that is neither."""
        text = (self.get(name) or "false").strip().lower()
        if text in ("1", "true", "yes", "on"):
            return True
        if text in ("0", "false", "no", "off", ""):
            return False
        raise Invalid(f"The setting {name} is {text!r}.", hint="say true or false")

    def number(self, name: str) -> float:
        """A numeric setting. Raises Invalid for anything else."""
        text = self.get(name) or "0"
        try:
            return float(text)
        except ValueError:
            raise Invalid(f"The setting {name} is {text!r}, not a number.") from None

    def values(self) -> list[Value]:
        """Every declared setting, secrets masked, and those of the file that nothing declares."""
        rows = []
        for name in sorted({*self.declared, *self.file}):
            value, source = self.lookup(name)
            known = self.declared.get(name)
            if known is not None and known.secret and value:
                value = mask(value)
            elif value and "://" in value:
                value = without_password(value)
            rows.append(Value(name, value, source, known.help if known else "not known to any tool"))
        return rows

    @property
    def database(self) -> str:
        """The store's URL: what was asked for, else `hub.db` in the data directory."""
        return self.get("database") or str(user_dir("data") / "hub.db")

    def write(self, name: str, value: str | None) -> None:
        """Sets (or with None removes) a value in the config file; comments and order in it survive."""
        import tomlkit
        from tomlkit.items import Table

        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        document: Any = tomlkit.parse(text)
        *tables, key = name.split(".")
        place: Any = document
        for part in tables:
            if not isinstance(place.get(part), (dict, Table)):
                place[part] = tomlkit.table()
            place = place[part]
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".tmp")
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(tomlkit.dumps(document))
        fresh.replace(self.path)
        self.__dict__.pop("file", None)


def mask(secret: str) -> str:
    """A secret as it may be shown: its last four characters at most."""
    return "…" + secret[-4:] if len(secret) > 12 else "…"


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    import re

    return re.sub(r"(//[^:/@]*):[^/]*@", r"\1:***@", url)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{prefix}{key}."))
        else:
            found[prefix + key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found

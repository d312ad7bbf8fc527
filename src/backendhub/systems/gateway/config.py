"""Kong's declarative configuration, `_format_version` 3.0 (also 2.1 and 1.1): what of it is understood, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from backendhub.kit import yamls
from backendhub.kit.errors import Invalid

from .models import Config, Consumer, Health, Json, PluginRow, Route, Service, Target, Upstream, id_of

VERSIONS = ("3.0", "2.1", "1.1")
TOP = {
    "_format_version", "_transform", "_comment", "services", "routes", "upstreams", "targets", "consumers", "plugins",
    "keyauth_credentials", "basicauth_credentials", "jwt_secrets", "acls",
}  # fmt: skip
META = {"id", "tags", "created_at", "updated_at"}
SERVICE = META | {
    "name", "url", "protocol", "host", "port", "path", "retries", "connect_timeout", "write_timeout", "read_timeout",
    "enabled", "routes", "plugins",
}  # fmt: skip
ROUTE = META | {
    "name", "service", "protocols", "methods", "hosts", "paths", "headers", "regex_priority", "strip_path",
    "preserve_host", "path_handling", "https_redirect_status_code", "request_buffering", "response_buffering", "plugins",
}  # fmt: skip
UPSTREAM = META | {
    "name", "algorithm", "hash_on", "hash_on_header", "hash_on_cookie", "host_header", "targets", "healthchecks", "slots",
}  # fmt: skip
CONSUMER = META | {
    "username", "custom_id", "plugins", "keyauth_credentials", "basicauth_credentials", "jwt_secrets", "acls",
}  # fmt: skip
PLUGIN = META | {"name", "instance_name", "config", "enabled", "service", "route", "consumer", "protocols"}
CREDENTIALS = {
    "keyauth_credentials": {"key", "ttl"},
    "basicauth_credentials": {"username", "password"},
    "jwt_secrets": {"key", "secret", "algorithm", "rsa_public_key"},
    "acls": {"group"},
}
HEALTHY = {"interval", "successes", "http_statuses"}
UNHEALTHY = {"interval", "http_failures", "tcp_failures", "timeouts", "http_statuses"}
ALGORITHMS = ("round-robin", "least-connections", "consistent-hashing")
NAME = r"[\w.~-]{1,200}"


@dataclass(slots=True)
class Reader:
    """Collects what a document says."""

    where: str
    services: dict[str, Service] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    consumers: dict[str, Consumer] = field(default_factory=dict)
    plugins: list[PluginRow] = field(default_factory=list)
    groups: dict[str, set[str]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, tuple[str, str]] = field(default_factory=dict)
    secrets: dict[str, tuple[Json, str]] = field(default_factory=dict)
    targets: dict[str, list[Target]] = field(default_factory=dict)

    # -- words --------------------------------------------------------------------------------------------

    def fail(self, text: str, hint: str | None = None) -> Invalid:
        """An error with its place."""
        return Invalid(f"{self.where}: {text}", hint=hint)

    def entity(self, found: Any, known: set[str], what: str) -> Json:
        """A mapping of known names. Raises Invalid."""
        if not isinstance(found, dict):
            raise self.fail(f"{str(found)[:60]!r} stands where {what} should.")
        for name in found:
            if name not in known:
                raise self.fail(f"{what} has no {str(name)[:60]!r}.", "known: " + ", ".join(sorted(known)))
        return found

    def each(self, found: Json, name: str) -> Iterator[Any]:
        """The members of a list that may be missing."""
        value = found.get(name)
        if not isinstance(value, list | None):
            raise self.fail(f"{name} is no list.")
        yield from value or ()

    def texts(self, found: Json, name: str) -> tuple[str, ...]:
        """A list of text."""
        values = tuple(self.each(found, name))
        if not all(isinstance(value, str) and value for value in values):
            raise self.fail(f"{name} is a list of texts.")
        return values

    def number(
        self, found: Json, name: str, default: float, least: float = 0, most: float = 2**31 - 2
    ) -> Any:
        """A number."""
        value = found.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.fail(f"{name} is no number from {least:g} to {most:g}.")
        return value

    def word(self, found: Json, name: str) -> str | None:
        """A text without blanks, such as a host, a header's name or a path."""
        value = found.get(name)
        if value is not None and (not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value)):
            raise self.fail(f"{name} is a text of ASCII without blanks.")
        return value

    def statuses(self, found: Json) -> frozenset[int]:
        """A list of status codes."""
        values = [*self.each(found, "http_statuses")]
        if not all(type(value) is int and 100 <= value <= 999 for value in values):
            raise self.fail("http_statuses is a list of status codes.")
        return frozenset(values)

    def flag(self, found: Json, name: str, default: bool) -> bool:
        """True or false."""
        value = found.get(name)
        if not isinstance(value, bool | None):
            raise self.fail(f"{name} is true or false.")
        return default if value is None else value

    def choice(self, found: Json, name: str, choices: tuple[str, ...]) -> str:
        """One of some words; the first where there is none."""
        value = found.get(name)
        if value is not None and value not in choices:
            raise self.fail(f"{name} is {str(value)[:40]!r}.", "one of " + ", ".join(choices))
        return str(value) if value is not None else choices[0]

    def named(self, found: Json, what: str, name: str = "name") -> str:
        """A name."""
        value = found.get(name)
        if not isinstance(value, str) or not re.fullmatch(NAME, value):
            raise self.fail(f"{what} has no {name} of letters, digits, '.', '-', '_' and '~'.")
        return value

    def reference(self, found: Json, name: str) -> str | None:
        """The name of another entity: `service: a`, `service: {name: a}`."""
        value = found.get(name)
        if isinstance(value, dict):
            value = value.get("name") or value.get("username") or value.get("id")
        if not isinstance(value, str | None):
            raise self.fail(f"{name} is the name of another entity.")
        return value

    # -- entities -----------------------------------------------------------------------------------------

    def service(self, found: Any) -> None:
        """A service with its routes and plugins."""
        found = self.entity(found, SERVICE, "a service")
        name = self.named(found, "a service")
        if name in self.services:
            raise self.fail(f"the service {name!r} stands twice.")
        protocol, host, port, path = self._address(found, name)
        self.services[name] = Service(
            name, protocol, host, port, path,
            retries=int(self.number(found, "retries", 5, 0, 32_767)),
            connect_timeout=int(self.number(found, "connect_timeout", 60_000, 1)),
            write_timeout=int(self.number(found, "write_timeout", 60_000, 1)),
            read_timeout=int(self.number(found, "read_timeout", 60_000, 1)),
            enabled=self.flag(found, "enabled", True),
            tags=self.texts(found, "tags"),
        )  # fmt: skip
        for route in self.each(found, "routes"):
            self.route(route, name)
        for plugin in self.each(found, "plugins"):
            self.plugin(plugin, service=name)

    def _address(self, found: Json, name: str) -> tuple[str, str, int, str | None]:
        protocol, host, port, path = (
            self.choice(found, "protocol", ("http", "https")), found.get("host"), found.get("port"), found.get("path"),
        )  # fmt: skip
        if (url := found.get("url")) is not None:
            try:
                parts = urlsplit(str(url))
                protocol, host, port, path = parts.scheme, parts.hostname, parts.port, parts.path or None
            except ValueError:
                host = None
        port = (443 if protocol == "https" else 80) if port is None else port
        if (
            protocol not in ("http", "https")
            or not isinstance(host, str)
            or not re.fullmatch(r"[\w.:-]+", host)
        ):
            raise self.fail(f"the service {name!r} has no http or https url, or protocol, host and port.")
        if not isinstance(port, int) or not 1 <= port <= 65_535:
            raise self.fail(f"the service {name!r} has no port from 1 to 65535.")
        if path is not None and (not isinstance(path, str) or not re.fullmatch(r"/[^\s?#]*", path)):
            raise self.fail(f"the path of {name!r} begins with a slash and has no query.")
        return protocol, host, port, path

    def route(self, found: Any, service: str | None = None) -> None:
        """A route with its plugins."""
        found = self.entity(found, ROUTE, "a route")
        name = self.named(found, "a route") if found.get("name") else f"route-{len(self.routes) + 1}"
        if name in self.routes:
            raise self.fail(f"the route {name!r} stands twice.")
        paths = self.texts(found, "paths")
        if bad := [path for path in paths if not path.startswith(("/", "~"))]:
            raise self.fail(
                f"the path {bad[0][:60]!r} of {name!r} begins with / (or with ~, as a regular expression)."
            )
        headers = found.get("headers") or {}
        if not isinstance(headers, dict) or not all(isinstance(v, list) and v for v in headers.values()):
            raise self.fail(f"the headers of {name!r} are lists of values by name.")
        methods, hosts = self.texts(found, "methods"), self.texts(found, "hosts")
        if bad := [m for m in methods if not re.fullmatch("[A-Z]+", m)]:
            raise self.fail(f"{bad[0]!r} is no method in capitals.")
        if not (paths or hosts or methods or headers):
            raise self.fail(f"the route {name!r} asks for nothing: give it paths, hosts, methods or headers.")
        protocols = self.texts(found, "protocols") or ("http", "https")
        if bad := [p for p in protocols if p not in ("http", "https")]:
            raise self.fail(f"the protocol {bad[0]!r} is not served here.", "http, https")
        self.routes[name] = Route(
            name, service or self.reference(found, "service"), protocols, methods, hosts, paths,
            tuple((str(n), tuple(str(v) for v in values)) for n, values in headers.items()),
            int(self.number(found, "regex_priority", 0, -(2**31))),
            self.flag(found, "strip_path", True),
            self.flag(found, "preserve_host", False),
            self.choice(found, "path_handling", ("v0", "v1")),
            int(self.number(found, "https_redirect_status_code", 426, 301, 426)),
            self.texts(found, "tags"),
        )  # fmt: skip
        for plugin in self.each(found, "plugins"):
            self.plugin(plugin, route=name)

    def upstream(self, found: Any) -> None:
        """An upstream with its targets."""
        found = self.entity(found, UPSTREAM, "an upstream")
        name = self.named(found, "an upstream")
        if name in self.upstreams:
            raise self.fail(f"the upstream {name!r} stands twice.")
        self.upstreams[name] = Upstream(
            name,
            self.choice(found, "algorithm", ALGORITHMS),
            self.choice(found, "hash_on", ("none", "consumer", "ip", "header", "cookie", "path")),
            self.word(found, "hash_on_header"),
            self.word(found, "hash_on_cookie"),
            self.word(found, "host_header"),
            health=self._health(found.get("healthchecks")),
            tags=self.texts(found, "tags"),
        )
        for target in self.each(found, "targets"):
            self.target(target, name)

    def target(self, found: Any, upstream: str | None = None) -> None:
        """A target."""
        found = self.entity(found, META | {"target", "weight", "upstream"}, "a target")
        text = found.get("target")
        if not isinstance(text, str) or not re.fullmatch(r"(\[[\da-fA-F:]+\]|[\w.-]+)(:\d{1,5})?", text):
            raise self.fail(f"{str(text)[:60]!r} is no target.", "host:port")
        text = text if re.search(r":\d+$", text) else text + ":8000"
        if not 1 <= int(text.rpartition(":")[2]) <= 65_535:
            raise self.fail(f"the target {text!r} has no port from 1 to 65535.")
        owner = upstream or self.reference(found, "upstream") or ""
        self.targets.setdefault(owner, []).append(
            Target(text, int(self.number(found, "weight", 100, 0, 65_535)))
        )

    def _health(self, found: Any) -> Health:
        checks = self.entity(found or {}, {"active", "passive", "threshold"}, "healthchecks")
        active = self.entity(checks.get("active") or {}, {"type", "http_path", "timeout", "concurrency", "healthy", "unhealthy"}, "active")  # fmt: skip
        passive = self.entity(checks.get("passive") or {}, {"type", "healthy", "unhealthy"}, "passive")
        up, well = (self.entity(of.get("healthy") or {}, HEALTHY, "healthy") for of in (active, passive))
        down, ill = (
            self.entity(of.get("unhealthy") or {}, UNHEALTHY, "unhealthy") for of in (active, passive)
        )
        default = Health()
        path = self.word(active, "http_path") or "/"
        if not path.startswith("/"):
            raise self.fail(f"the http_path {path[:60]!r} begins with a slash.")
        return Health(
            path,
            self.number(up, "interval", 0),
            self.number(down, "interval", 0),
            self.number(active, "timeout", 1, 0.01),
            int(self.number(up, "successes", 0)),
            int(self.number(down, "http_failures", 0)) or int(self.number(down, "tcp_failures", 0)),
            int(self.number(down, "timeouts", 0)),
            self.statuses(up) or default.good,
            self.statuses(down) or default.bad,
            int(self.number(well, "successes", 0)),
            int(self.number(ill, "http_failures", 0)),
            int(self.number(ill, "tcp_failures", 0)),
            int(self.number(ill, "timeouts", 0)),
            self.statuses(ill) or default.passive_bad,
        )

    def consumer(self, found: Any) -> None:
        """A consumer with its credentials, groups and plugins."""
        found = self.entity(found, CONSUMER, "a consumer")
        username = self.named(found, "a consumer", "username")
        if username in self.consumers:
            raise self.fail(f"the consumer {username!r} stands twice.")
        self.consumers[username] = Consumer(username, found.get("custom_id"), tags=self.texts(found, "tags"))
        for kind in CREDENTIALS:
            for credential in self.each(found, kind):
                self.credential(kind, credential, username)
        for plugin in self.each(found, "plugins"):
            self.plugin(plugin, consumer=username)

    def credential(self, kind: str, found: Any, consumer: str | None = None) -> None:
        """A credential or a group of a consumer."""
        found = self.entity(found, META | CREDENTIALS[kind] | {"consumer"}, f"one of {kind}")
        owner = consumer or self.reference(found, "consumer") or ""
        for name, value in found.items():
            if name in CREDENTIALS[kind] - {"ttl"} and not isinstance(value, str):
                raise self.fail(f"{name} of one of {kind} is a text.")
        key = str(found.get("username" if kind == "basicauth_credentials" else "key") or "")
        stores: dict[str, Any] = {
            "keyauth_credentials": self.keys, "basicauth_credentials": self.passwords, "jwt_secrets": self.secrets,
        }  # fmt: skip
        known = stores.get(kind, {})
        if kind == "acls":
            self.groups.setdefault(owner, set()).add(str(found.get("group") or ""))
            return
        if not key or key in known:
            raise self.fail(f"one of {kind} of {owner!r} has no key of its own.")
        if kind == "basicauth_credentials":
            known[key] = (str(found.get("password") or ""), owner)
        else:
            known[key] = owner if kind == "keyauth_credentials" else (found, owner)

    def plugin(
        self, found: Any, service: str | None = None, route: str | None = None, consumer: str | None = None
    ) -> None:
        """A plugin; its configuration is read by what runs it."""
        found = self.entity(found, PLUGIN, "a plugin")
        name = self.named(found, "a plugin")
        config = found.get("config") or {}
        if not isinstance(config, dict):
            raise self.fail(f"the config of {name} is no mapping.")
        scope = (
            service or self.reference(found, "service"),
            route or self.reference(found, "route"),
            consumer or self.reference(found, "consumer"),
        )
        if any((p.name, (p.service, p.route, p.consumer)) == (name, scope) for p in self.plugins):
            raise self.fail(f"the plugin {name!r} stands twice for the same.")
        row = PluginRow(
            name, config, id_of("plugin", f"{name}:{scope}"), *scope, self.flag(found, "enabled", True)
        )
        self.plugins.append(row)

    def checked(self, text: str) -> Config:
        """The configuration, once every name in it is known. Raises Invalid."""
        for kind, known, used in (
            ("service", self.services, [r.service for r in self.routes.values()] + [p.service for p in self.plugins]),
            ("route", self.routes, [p.route for p in self.plugins]),
            ("consumer", self.consumers, [p.consumer for p in self.plugins] + [*self.groups, *self.keys.values()]
             + [owner for _, owner in [*self.passwords.values(), *self.secrets.values()]]),
            ("upstream", self.upstreams, [*self.targets]),
        ):  # fmt: skip
            if missing := [name for name in used if name is not None and name not in known]:
                raise self.fail(f"there is no {kind} {missing[0]!r}.")
        consumers = {n: Consumer(n, c.custom_id, frozenset(self.groups.get(n, ())), c.tags) for n, c in self.consumers.items()}  # fmt: skip
        upstreams = {
            n: Upstream(u.name, u.algorithm, u.hash_on, u.hash_on_header, u.hash_on_cookie, u.host_header,
                        tuple(self.targets.get(n, ())), u.health, u.tags)
            for n, u in self.upstreams.items()
        }  # fmt: skip
        return Config(
            self.services, self.routes, upstreams, consumers, tuple(self.plugins), self.keys, self.passwords,
            self.secrets, text,
        )  # fmt: skip


def load(text: str, where: str) -> Config:
    """The configuration of a document. Raises Invalid for what is not understood, with its place."""
    reader = Reader(where)
    root = reader.entity(yamls.read(text, where) or {}, TOP, "a configuration")
    if str(root.get("_format_version")) not in VERSIONS:
        raise reader.fail(f"_format_version is {root.get('_format_version')!r}.", 'such as "3.0"')
    for name, read in (
        ("services", reader.service), ("routes", reader.route), ("upstreams", reader.upstream),
        ("targets", reader.target), ("consumers", reader.consumer), ("plugins", reader.plugin),
    ):  # fmt: skip
        for found in reader.each(root, name):
            read(found)
    for kind in CREDENTIALS:
        for found in reader.each(root, kind):
            reader.credential(kind, found)
    return reader.checked(text)

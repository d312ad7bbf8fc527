"""Entities as Kong's Admin API shows them. Secrets are not among what is shown."""

from __future__ import annotations

from typing import Any

from backendhub import __version__
from backendhub.kit.errors import NotFound

from .models import Config, Consumer, Json, PluginRow, Route, Service, Upstream, id_of
from .plugins import PLUGINS
from .proxy import Gateway

COLLECTIONS = ("services", "routes", "upstreams", "consumers", "plugins")


def _ref(kind: str, name: str | None) -> Json | None:
    return None if name is None else {"id": id_of(kind, name)}


def service(found: Service) -> Json:
    """A service."""
    return {
        "id": id_of("service", found.name), "name": found.name, "protocol": found.protocol, "host": found.host,
        "port": found.port, "path": found.path, "retries": found.retries, "connect_timeout": found.connect_timeout,
        "write_timeout": found.write_timeout, "read_timeout": found.read_timeout, "enabled": found.enabled,
        "tags": [*found.tags] or None,
    }  # fmt: skip


def route(found: Route) -> Json:
    """A route."""
    return {
        "id": id_of("route", found.name), "name": found.name, "service": _ref("service", found.service),
        "protocols": [*found.protocols], "methods": [*found.methods] or None, "hosts": [*found.hosts] or None,
        "paths": [*found.paths] or None, "headers": {n: [*v] for n, v in found.headers} or None,
        "regex_priority": found.regex_priority, "strip_path": found.strip_path, "preserve_host": found.preserve_host,
        "path_handling": found.path_handling, "https_redirect_status_code": found.https_redirect_status_code,
        "tags": [*found.tags] or None,
    }  # fmt: skip


def upstream(found: Upstream) -> Json:
    """An upstream."""
    return {
        "id": id_of("upstream", found.name), "name": found.name, "algorithm": found.algorithm, "hash_on": found.hash_on,
        "hash_on_header": found.hash_on_header, "hash_on_cookie": found.hash_on_cookie,
        "host_header": found.host_header, "tags": [*found.tags] or None,
    }  # fmt: skip


def consumer(found: Consumer) -> Json:
    """A consumer, without credentials."""
    return {
        "id": found.id, "username": found.username, "custom_id": found.custom_id, "groups": sorted(found.groups),
        "tags": [*found.tags] or None,
    }  # fmt: skip


def plugin(found: PluginRow) -> Json:
    """A plugin."""
    return {
        "id": found.id, "name": found.name, "config": found.config, "enabled": found.enabled,
        "service": _ref("service", found.service), "route": _ref("route", found.route),
        "consumer": _ref("consumer", found.consumer), "tags": [*found.tags] or None,
    }  # fmt: skip


def collection(config: Config, name: str) -> list[Json]:
    """Every entity of a kind. Raises NotFound."""
    shown: dict[str, list[Json]] = {
        "services": [service(found) for found in config.services.values()],
        "routes": [route(found) for found in config.routes.values()],
        "upstreams": [upstream(found) for found in config.upstreams.values()],
        "consumers": [consumer(found) for found in config.consumers.values()],
        "plugins": [plugin(found) for found in config.plugins],
    }
    if name not in shown:
        raise NotFound("Not found")
    return shown[name]


def one(config: Config, name: str, key: str) -> Json:
    """An entity by its id or name. Raises NotFound."""
    for found in collection(config, name):
        if key in (
            found["id"],
            found.get("username") or found.get("name") if name != "plugins" else found["id"],
        ):
            return found
    raise NotFound("Not found")


def related(config: Config, name: str, key: str, inner: str) -> list[Json]:
    """The routes of a service, the plugins of an entity, the targets of an upstream. Raises NotFound."""
    owner = one(config, name, key)
    if (name, inner) == ("upstreams", "targets"):
        targets = config.upstreams[owner["name"]].targets
        return [
            {"id": id_of("target", f"{owner['name']}:{t.target}"), "target": t.target, "weight": t.weight,
             "upstream": {"id": owner["id"]}}
            for t in targets
        ]  # fmt: skip
    kind = name.removesuffix("s")
    if (name, inner) == ("services", "routes") or (
        inner == "plugins" and name in ("services", "routes", "consumers")
    ):
        return [found for found in collection(config, inner) if found[kind] == {"id": owner["id"]}]
    raise NotFound("Not found")


def health(gateway: Gateway, key: str) -> list[Json]:
    """The health of an upstream's targets. Raises NotFound."""
    owner = one(gateway.state.config, "upstreams", key)
    peers = gateway.state.balancers[owner["name"]].peers
    watched = owner["name"] in gateway.state.config.upstreams
    return [
        {"target": peer.name, "weight": peer.weight, "connections": peer.health.open,
         "health": ("HEALTHY" if peer.health.well else "UNHEALTHY") if watched else "HEALTHCHECKS_OFF"}
        for peer in peers
    ]  # fmt: skip


def node(gateway: Gateway) -> Json:
    """What `GET /` of the Admin API tells."""
    return {
        "version": "3.9.0", "tagline": "backendhub gateway", "hostname": "backendhub",
        "edition": f"backendhub {__version__}",
        "configuration": {"database": "off", "router_flavor": "traditional"},
        "plugins": {"available_on_server": {name: {"priority": kind.priority} for name, kind in PLUGINS.items()},
                    "enabled_in_cluster": sorted({row.name for row in gateway.state.config.plugins})},
    }  # fmt: skip


def paged(items: list[Json]) -> dict[str, Any]:
    """A list as Kong sends one; it has one page."""
    return {"data": items, "next": None}

"""Kong's declarative configuration: what is understood, what is refused, which plugins run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, StoreError
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings
from backendhub.systems.gateway import service
from backendhub.systems.gateway.board import Board
from backendhub.systems.gateway.config import load
from backendhub.systems.gateway.plan import build, plans
from backendhub.systems.gateway.plugins import PLUGINS

KONG = """
_format_version: "3.0"
_transform: true
services:
- name: shop
  url: https://shop.internal:8443/api
  retries: 2
  routes:
  - name: items
    paths: [/items, "~/item/(?<id>[0-9]+)$"]
    methods: [GET]
    strip_path: false
    plugins:
    - {name: rate-limiting, config: {minute: 5}}
  plugins:
  - {name: key-auth}
  - {name: rate-limiting, config: {minute: 50}}
- {name: plain, host: pool, port: 9000, path: /v1}
routes:
- {name: plain-route, hosts: [a.com], service: {name: plain}}
upstreams:
- name: pool
  algorithm: least-connections
  targets: [{target: "10.0.0.1:80"}, {target: 10.0.0.2, weight: 50}]
  healthchecks:
    active: {http_path: /up, healthy: {interval: 1, successes: 2}, unhealthy: {interval: 1, http_failures: 3}}
    passive: {unhealthy: {http_failures: 5}}
consumers:
- username: ada
  custom_id: "42"
  keyauth_credentials: [{key: k-ada}]
  basicauth_credentials: [{username: ada, password: pw}]
  jwt_secrets: [{key: iss-ada, secret: s}]
  acls: [{group: staff}, {group: admins}]
  plugins: [{name: rate-limiting, config: {minute: 500}}]
- {username: bob}
plugins:
- {name: correlation-id}
- {name: rate-limiting, config: {minute: 7}, consumer: bob, route: items}
- {name: request-termination, config: {status_code: 403}, service: plain, enabled: false}
keyauth_credentials: [{consumer: bob, key: k-bob}]
"""


def test_entities() -> None:
    config = load(KONG, "kong.yml")
    shop, plain = config.services["shop"], config.services["plain"]
    assert (shop.protocol, shop.host, shop.port, shop.path, shop.retries) == (
        "https",
        "shop.internal",
        8443,
        "/api",
        2,
    )
    assert (plain.protocol, plain.host, plain.port, plain.path, plain.read_timeout) == (
        "http",
        "pool",
        9000,
        "/v1",
        60_000,
    )
    assert config.routes["items"].service == "shop" and config.routes["plain-route"].service == "plain"
    pool = config.upstreams["pool"]
    assert [(t.target, t.weight) for t in pool.targets] == [("10.0.0.1:80", 100), ("10.0.0.2:8000", 50)]
    assert (
        pool.health.path,
        pool.health.successes,
        pool.health.failures,
        pool.health.passive_http_failures,
    ) == ("/up", 2, 3, 5)
    assert config.keys == {"k-ada": "ada", "k-bob": "bob"} and config.passwords == {"ada": ("pw", "ada")}
    assert config.consumers["ada"].groups == {"staff", "admins"}


def test_the_plugin_that_is_for_most_of_what_is_known_runs_and_in_kong_s_order() -> None:
    config = load(KONG, "kong.yml")
    made = plans(config, build(config, "kong.yml", {}))

    def minutes(route: str, consumer: str | None) -> list[Any]:
        return [p.config["minute"] for p in made[route].after(consumer) if p.name == "rate-limiting"]

    assert [p.name for p in made["items"].first] == ["correlation-id", "key-auth"]
    assert (minutes("items", None), minutes("items", "ada"), minutes("items", "bob")) == ([5], [500], [7])
    assert minutes("plain-route", None) == [] and minutes("plain-route", "ada") == [500]
    assert [p.name for p in made["plain-route"].first] == ["correlation-id"]
    assert not any(p.name == "request-termination" for p in made["plain-route"].after(None))
    priorities = [kind.priority for kind in PLUGINS.values()]
    assert len(set(priorities)) == len(priorities)


def test_what_has_not_changed_is_kept() -> None:
    one = build(load(KONG, "k"), "k", {})
    two = build(load(KONG.replace("minute: 50}", "minute: 51}"), "k"), "k", one)
    assert sum(one[id] is not two[id] for id in one) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("services: []", "_format_version"),
        ("_format_version: '3.0'\ncertificates: []", "'certificates'"),
        ("_format_version: '3.0'\nservices: [{name: a}]", "no http or https url"),
        ("_format_version: '3.0'\nservices: [{name: a, url: 'http://h'}, {name: a, url: 'http://h'}]", "twice"),
        ("_format_version: '3.0'\nservices: [{name: a, url: 'grpc://h'}]", "no http or https url"),
        ("_format_version: '3.0'\nroutes: [{name: r, service: x, paths: [/]}]", "no service 'x'"),
        ("_format_version: '3.0'\nroutes: [{name: r}]", "asks for nothing"),
        ("_format_version: '3.0'\nroutes: [{name: r, paths: [a]}]", "begins with /"),
        ("_format_version: '3.0'\nroutes: [{name: r, paths: [/], protocols: [tcp]}]", "'tcp'"),
        ("_format_version: '3.0'\nroutes: [{name: r, paths: [/], methods: [get]}]", "capitals"),
        ("_format_version: '3.0'\nroutes: [{name: r, paths: [/], snis: [a]}]", "'snis'"),
        ("_format_version: '3.0'\nconsumers: [{username: a, keyauth_credentials: [{key: k}]}, "
         "{username: b, keyauth_credentials: [{key: k}]}]", "key of its own"),
        ("_format_version: '3.0'\nplugins: [{name: cors}, {name: cors}]", "twice"),
        ("_format_version: '3.0'\nplugins: [{name: cors, consumer: x}]", "no consumer 'x'"),
        ("_format_version: '3.0'\nupstreams: [{name: u, targets: [{target: 'a b'}]}]", "no target"),
        ("_format_version: '3.0'\nupstreams: [{name: u, algorithm: dice}]", "'dice'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(text: str, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        load(text, "kong.yml")
    assert caught.value.message.startswith("kong.yml") and says in caught.value.message


@pytest.mark.parametrize(
    ("plugin", "says"),
    [
        ("{name: magic}", "no plugin 'magic'"),
        ("{name: rate-limiting}", "has a limit"),
        ("{name: rate-limiting, config: {minute: 0}}", "no number"),
        ("{name: rate-limiting, config: {minut: 1}}", "'minut'"),
        ("{name: acl, config: {allow: [a], deny: [b]}}", "either"),
        ("{name: ip-restriction, config: {allow: [300.1.1.1]}}", "300.1.1.1"),
        ("{name: cors, config: {origins: ['[']}}", "regular expression"),
        ("{name: request-transformer, config: {add: {headers: [novalue]}}}", "no name:value"),
        ("{name: request-transformer, config: {add: {headers: ['a b:1']}}}", "no name of a header"),
        ("{name: jwt, config: {claims_to_verify: [aud]}}", "'aud'"),
        ("{name: key-auth, config: {key_in_body: true}}", "bodies"),
        ("{name: canary, config: {percentage: 5}}", "has an upstream_host"),
        ("{name: circuit-breaker, config: {failure_rate: 0}}", "above 0"),
        ("{name: circuit-breaker, config: {sizes: 1}}", "'sizes'"),
        ("{name: aggregate}", "list of backends"),
        ("{name: aggregate, config: {backends: [{url: ftp://x}]}}", "http"),
        ("{name: mirror, config: {url: x}}", "http"),
        ("{name: key-auth, consumer: ada}", "for one consumer"),
    ],
)
def test_mistakes_of_plugins_are_named(plugin: str, says: str) -> None:
    text = f"_format_version: '3.0'\nconsumers: [{{username: ada}}]\nplugins: [{plugin}]"
    with pytest.raises(Invalid) as caught:
        build(load(text, "kong.yml"), "kong.yml", {})
    assert says in caught.value.message


def test_the_stored_configuration_has_revisions(db: Db) -> None:
    assert service.find(db) is None and service.revision(db) == 0
    assert service.put(db, KONG).revision == 1 and service.put(db, KONG).revision == 2
    stored = service.find(db)
    assert stored and stored.config == KONG and service.revision(db) == 2


@pytest.mark.parametrize(
    "upstream",
    [
        "{name: u, host_header: 7}",
        "{name: u, host_header: 'a b'}",
        "{name: u, hash_on_cookie: [a]}",
        "{name: u, targets: [{target: 'h:99999'}]}",
        "{name: u, targets: [{target: 'h:0'}]}",
        "{name: u, healthchecks: {active: {http_path: 'up'}}}",
        "{name: u, healthchecks: {active: {http_path: '/u\u0308'}}}",
        "{name: u, healthchecks: {active: {healthy: 5}}}",
        "{name: u, healthchecks: {active: {healthy: {interval: 5, sucesses: 1}}}}",
        "{name: u, healthchecks: {active: {healthy: {http_statuses: 200}}}}",
        "{name: u, healthchecks: {passive: {unhealthy: {http_statuses: ['500']}}}}",
    ],
)
def test_upstreams_that_would_fail_at_the_first_request(upstream: str) -> None:
    with pytest.raises(Invalid):
        load(f'_format_version: "3.0"\nupstreams: [{upstream}]', "kong.yml")


def test_a_store_that_was_away_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(Settings({"database": str(tmp_path / "hub.db")}))
    hub.store.use("gateway")
    board = Board(hub)

    def away(*args: Any) -> Any:
        raise StoreError("The store is away.")

    with monkeypatch.context() as patched:
        patched.setattr(service, "find", away)
        with pytest.raises(StoreError):
            board.refresh(hub)
    assert board.trouble == "The store is away."
    board.refresh(hub)
    assert board.trouble is None
    hub.close()

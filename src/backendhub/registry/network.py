"""Real time and the edge."""

from __future__ import annotations

from .rows import Option, System

ROWS: tuple[System, ...] = (
    System(
        "cache-proxy",
        "infrastructure",
        "A caching proxy by the book: collapsing, purge, stale answers, ranges, a reason for each",
        "cli api",
        uses="events",
        settings=(
            Option("cache_proxy.origin", "server to cache", flag="origin", metavar="URL"),
            Option(
                "cache_proxy.disk",
                "directory of the disk tier; auto is in the user's cache, none keeps all in memory",
                "auto",
                flag="disk",
                metavar="DIR",
            ),
            Option("cache_proxy.disk_limit", "bytes on disk", "1GB"),
            Option("cache_proxy.memory", "bytes in memory", "128MB"),
            Option("cache_proxy.objects", "stored responses at most", "100000"),
            Option("cache_proxy.max_object", "bytes of the largest response that is stored", "64MB"),
            Option("cache_proxy.ttl", "seconds of freshness for responses that say nothing of it", "0"),
            Option("cache_proxy.heuristics", "a tenth of the time since Last-Modified is fresh", "true"),
            Option("cache_proxy.grace", "seconds that stale answers serve while the origin is away", "86400"),
            Option("cache_proxy.cookies", "store responses with Set-Cookie and explicit freshness", "true"),
            Option(
                "cache_proxy.preserve_host",
                "send the client's Host to the origin, and cache by it",
                "false",
                flag="preserve-host",
            ),
            Option("cache_proxy.trusted", "a proxy before this one: pass its X-Forwarded fields on", "false"),
            Option("cache_proxy.timeout", "seconds the origin may take to answer", "30"),
            Option("cache_proxy.connect_timeout", "seconds to wait for a connection to the origin", "5"),
            Option("cache_proxy.token", "who may purge and watch from elsewhere", secret=True),
        ),
    ),
    System(
        "rate-limiter",
        "infrastructure",
        "Rate limits as a service: Envoy's wire and YAML, seven algorithms, exact over Redis",
        "api",
        settings=(
            Option(
                "rate_limiter.files",
                "limits in Envoy's form, a domain in each file",
                suffixes=(".yaml", ".yml"),
            ),
            Option(
                "rate_limiter.algorithm",
                "how limits count that do not say it",
                "fixed-window",
                flag="algorithm",
                metavar="NAME",
            ),
            Option(
                "rate_limiter.fail",
                "open or closed: what limits do that do not say it while nothing can be counted",
                "open",
                flag="fail",
                metavar="HOW",
            ),
            Option("rate_limiter.shadow", "count, and refuse nothing", "false", flag="shadow"),
            Option("rate_limiter.grpc", "serve Envoy's gRPC service there", flag="grpc", metavar="HOST:PORT"),
        ),
        uses="limits",
    ),
    System(
        "circuit-breaker",
        "infrastructure",
        "Circuit breakers before upstreams on resilience4j's wire; faults on Toxiproxy's",
        "api",
        settings=(
            Option(
                "circuit_breaker.files",
                "breakers and their upstreams, as resilience4j's Spring configuration has them",
                suffixes=(".yaml", ".yml"),
            ),
            Option(
                "circuit_breaker.remote_faults",
                "let other machines inject faults, not only this one",
                "false",
                flag="remote-faults",
            ),
        ),
    ),
    System(
        "broadcast",
        "realtime",
        "One message to everyone: WebSocket, SSE and Pusher, with history and replay",
        "cli api",
        uses="events",
        settings=(
            Option(
                "broadcast.history",
                "messages that are kept of a channel",
                "1000",
                flag="history",
                metavar="N",
            ),
            Option("broadcast.history_age", "seconds that messages are kept", "86400"),
            Option("broadcast.app_id", "the id of the application (Pusher), a number", "1"),
            Option("broadcast.key", "the key that Pusher clients name", "backendhub-key"),
            Option(
                "broadcast.secret",
                "what an application signs with (Pusher); without it there are public channels only",
                secret=True,
            ),
        ),
    ),
    System(
        "gateway",
        "infrastructure",
        "API gateway with Kong's declarative configuration: route, authenticate, limit, balance",
        "api",
        settings=(
            Option(
                "gateway.files",
                "Kong's declarative configuration, format 3.0",
                suffixes=(".yaml", ".yml", ".json"),
            ),
            Option(
                "gateway.admin_key",
                "what `Kong-Admin-Token` must be for the Admin API",
                secret=True,
            ),
            Option(
                "gateway.admin_local",
                "let this machine use the Admin API without a key",
                "false",
                flag="admin-local",
            ),
            Option(
                "gateway.trusted",
                "networks of proxies before this one whose X-Forwarded-* are true",
                "",
                flag="trusted",
                metavar="NETWORK",
                repeats=True,
            ),
            Option(
                "gateway.flood",
                "requests a second from one address, twice that at once; 0: no limit",
                "0",
                flag="flood",
                metavar="RATE",
            ),
        ),
        uses="limits",
    ),
    System(
        "chat",
        "realtime",
        "Rooms, direct messages, presence and searchable history over Socket.IO",
        "cli api",
        uses="events limits",
        settings=(
            Option("chat.url", "the server that `backendhub chat` talks to", "http://127.0.0.1:8000"),
            Option("chat.token", "the token of whoever is signed in there", secret=True),
            Option("chat.refresh_token", "what renews that token", secret=True),
        ),
    ),
)

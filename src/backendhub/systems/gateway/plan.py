"""Which plugins run for a request: worked out once for each route and consumer, so that no request goes around them."""

from __future__ import annotations

from dataclasses import dataclass, field

from backendhub.kit.errors import Invalid

from .models import Config, PluginRow, Route
from .plugins import PLUGINS, Plugin

IDENTIFYING = 1100
"""The lowest priority of a plugin that finds out who asks. Those below run for the consumer that was found."""
PRECEDENCE = (
    ("consumer", "route", "service"), ("consumer", "route"), ("consumer", "service"), ("route", "service"),
    ("consumer",), ("route",), ("service",), (),
)  # fmt: skip
"""Of several plugins of one name the one runs that is for most of what is known; Kong's order."""


@dataclass(slots=True)
class Plan:
    """The plugins of a route, the highest priority first."""

    first: list[Plugin] = field(default_factory=list)
    """Up to those that find out who asks."""
    then: dict[str | None, list[Plugin]] = field(default_factory=dict)
    """The others, by consumer; None is any that has none of its own."""

    @property
    def empty(self) -> bool:
        """Whether nobody has a word in it."""
        return not self.first and not any(self.then.values())

    def after(self, consumer: str | None) -> list[Plugin]:
        """Those that run once it is known who asks."""
        found = self.then.get(consumer)
        return self.then[None] if found is None else found


def build(config: Config, where: str, before: dict[str, Plugin]) -> dict[str, Plugin]:
    """The plugins of a configuration by id. One that has not changed is kept, with what it knows. Raises Invalid."""
    found = {}
    for row in config.plugins:
        kind = PLUGINS.get(row.name)
        if kind is None:
            raise Invalid(
                f"{where}: there is no plugin {row.name[:60]!r}.", hint="known: " + ", ".join(sorted(PLUGINS))
            )
        if kind.identifies and row.consumer is not None:
            raise Invalid(f"{where}: {row.name} finds out who asks, and so cannot be for one consumer.")
        if kind.priority >= IDENTIFYING and row.consumer is not None:
            raise Invalid(
                f"{where}: {row.name} runs before it is known who asks, and so cannot be for one consumer."
            )
        old = before.get(row.id)
        same = old is not None and type(old) is kind and old.config == row.config
        found[row.id] = old if same and old is not None else _made(kind, row, where)
    return found


def _made(kind: type[Plugin], row: PluginRow, where: str) -> Plugin:
    scope = row.route or row.service or row.consumer
    return kind(row.config, f"{where}: {row.name}" + (f" of {scope}" if scope else ""), row.id)


def plans(config: Config, plugins: dict[str, Plugin]) -> dict[str, Plan]:
    """The plan of every route."""
    return {name: _plan(config, route, plugins) for name, route in config.routes.items()}


def _plan(config: Config, route: Route, plugins: dict[str, Plugin]) -> Plan:
    rows = [
        row
        for row in config.plugins
        if row.enabled and row.service in (None, route.service) and row.route in (None, route.name)
    ]
    anybody = _chosen(rows, None, plugins)
    plan = Plan([p for p in anybody if p.priority >= IDENTIFYING])
    plan.then[None] = [p for p in anybody if p.priority < IDENTIFYING]
    for consumer in {row.consumer for row in rows if row.consumer is not None}:
        mine = _chosen(rows, consumer, plugins)
        plan.then[consumer] = [p for p in mine if p.priority < IDENTIFYING]
    return plan


def _chosen(rows: list[PluginRow], consumer: str | None, plugins: dict[str, Plugin]) -> list[Plugin]:
    best: dict[str, tuple[int, PluginRow]] = {}
    for row in rows:
        if row.consumer not in (None, consumer):
            continue
        scope = tuple(name for name in ("consumer", "route", "service") if getattr(row, name) is not None)
        rank = PRECEDENCE.index(scope)
        if row.name not in best or rank < best[row.name][0]:
            best[row.name] = (rank, row)
    return sorted((plugins[row.id] for _, row in best.values()), key=lambda plugin: -plugin.priority)

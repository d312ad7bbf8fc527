"""Questions as SQL: dimensions, filters and metrics of Plausible's stats API become one SELECT."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from backendhub.kit.db.base import contains
from backendhub.systems.analytics.models import BadQuery, Goal, GoalKind

_EVENT = {
    "event:name": "e.name",
    "event:page": "coalesce(e.path, '(none)')",
    "event:hostname": "coalesce(e.hostname, '(none)')",
}
_VISIT = {
    "visit:source": "coalesce(s.source, 'Direct / None')",
    "visit:referrer": "coalesce(s.referrer, 'Direct / None')",
    **{
        f"visit:utm_{n}": f"coalesce(s.utm_{n}, '(not set)')"
        for n in ("source", "medium", "campaign", "term", "content")
    },
    "visit:entry_page": "coalesce(s.entry_page, '(none)')",
    "visit:exit_page": "coalesce(s.exit_page, '(none)')",
    "visit:browser": "coalesce(s.browser, '(not set)')",
    "visit:os": "coalesce(s.os, '(not set)')",
    "visit:device": "coalesce(s.device, '(not set)')",
}
WEEK = {
    "sqlite": "date(substr(e.hour, 1, 10), 'weekday 0', '-6 days')",
    "postgres": "to_char(date_trunc('week', CAST(substr(e.hour, 1, 10) AS date)), 'YYYY-MM-DD')",
}
DAY = "substr(e.hour, 1, 10)"
_TIME = {
    "time:hour": "substr(e.hour, 1, 10) || ' ' || substr(e.hour, 12, 2) || ':00:00'",
    "time:day": DAY,
    "time:month": "substr(e.hour, 1, 7) || '-01'",
}
DIMENSIONS = (*_EVENT, *_VISIT, "event:goal", "event:props:<name>", "time", *_TIME, "time:week")
GOAL = "g.name"
_MATCH = {"sqlite": "{0} REGEXP :{1}", "postgres": "{0} ~ :{1}"}
_JSON = {
    "sqlite": "json_extract(e.properties, :{0})",
    "postgres": "CAST(e.properties AS json) #>> CAST(:{0} AS text[])",
}
_REACHED = (
    "g.source_id = e.source_id AND ((g.kind = 'event' AND e.name = g.match) OR (g.kind = 'page' AND e.name = 'pageview' "
    "AND ((g.pattern IS NULL AND e.path = g.match) OR (g.pattern IS NOT NULL AND e.path {matches} g.pattern))))"
)
REACHED = {d: _REACHED.replace("{matches}", sign) for d, sign in (("sqlite", "REGEXP"), ("postgres", "~"))}
"""Whether an event reaches a goal."""
MAX_DEPTH = 10
MAX_VALUES = 200

COUNTS = {
    "visitors": "count(DISTINCT e.visitor)",
    "visits": "count(DISTINCT e.session_id)",
    "pageviews": "sum(CASE WHEN e.name = 'pageview' THEN 1 ELSE 0 END)",
    "events": "sum(CASE WHEN e.type IN ('track', 'page', 'screen') THEN 1 ELSE 0 END)",
    "total_revenue": "sum(e.revenue)",
    "average_revenue": "CAST(round(avg(e.revenue)) AS bigint)",
}
CURRENCY = "CASE WHEN min(e.currency) = max(e.currency) THEN min(e.currency) ELSE NULL END"
VISITS = {
    "bounce_rate": "avg(CASE WHEN x.events <= 1 THEN 100.0 ELSE 0.0 END)",
    "visit_duration": "avg(x.duration_s)",
    "views_per_visit": "avg(CAST(x.pageviews AS double precision))",
}
"""Of visits that have an event that is asked for; each counts once in a group."""


@dataclass(slots=True)
class Question:
    """A WHERE condition being put together, with its parameters."""

    dialect: str
    source_id: str
    goals: Sequence[Goal]
    params: dict[str, Any] = field(default_factory=dict)
    visits: bool = False
    """Whether columns of visits are needed."""

    def parameter(self, value: Any) -> str:
        """The name of a new parameter."""
        name = f"p{len(self.params)}"
        self.params[name] = value
        return name

    def column(self, dimension: str) -> str:
        """The SQL of a dimension. Raises BadQuery."""
        if (sql := _EVENT.get(dimension) or _TIME.get(dimension)) is not None:
            return sql
        if (sql := _VISIT.get(dimension)) is not None:
            self.visits = True
            return sql
        if dimension == "time:week":
            return WEEK[self.dialect]
        if dimension == "event:goal":
            return GOAL
        if match := re.fullmatch(r'event:props:([^"\\{},\x00]{1,300})', dimension):
            path = f'$."{match[1]}"' if self.dialect == "sqlite" else f'{{"{match[1]}"}}'
            value = _JSON[self.dialect].format(self.parameter(path))
            return f"coalesce(CAST({value} AS text), '(none)')"
        raise BadQuery(f"Invalid dimension {dimension!r}", hint=f"one of {', '.join(DIMENSIONS)}")

    def where(self, filters: Sequence[Any], depth: int = 0) -> str:
        """A condition that all of these filters meet. Raises BadQuery."""
        if depth > MAX_DEPTH:
            raise BadQuery(f"Filters are at most {MAX_DEPTH} deep")
        return " AND ".join(self._filter(f, depth) for f in filters) or "TRUE"

    def _filter(self, given: Any, depth: int) -> str:
        if not isinstance(given, list) or not given or not isinstance(given[0], str):
            raise BadQuery(f"Invalid filter {given!r}", hint='["is", "event:page", ["/"]]')
        operator, rest = given[0], given[1:]
        if operator in ("and", "or"):
            if len(rest) != 1 or not isinstance(rest[0], list) or not rest[0]:
                raise BadQuery(f"{operator!r} takes a list of filters")
            return "(" + f" {operator.upper()} ".join(self.where([f], depth + 1) for f in rest[0]) + ")"
        if operator in ("not", "has_done", "has_not_done"):
            if len(rest) != 1:
                raise BadQuery(f"{operator!r} takes one filter")
            return self._nested(operator, rest[0], depth)
        return self._plain(operator, rest)

    def _nested(self, operator: str, given: Any, depth: int) -> str:
        inner = self.where([given], depth + 1)
        if operator == "not":
            return f"NOT ({inner})"
        join = "JOIN analytics_session s ON s.id = e.session_id" if self.visits else ""
        negated = "NOT " if operator == "has_not_done" else ""
        return (
            f"e.visitor {negated}IN (SELECT e.visitor FROM analytics_event e {join} "
            f"WHERE e.source_id = :source_id AND e.at >= :since AND e.at < :until AND {inner})"
        )

    def _plain(self, operator: str, rest: Sequence[Any]) -> str:
        if (
            len(rest) not in (2, 3)
            or not isinstance(rest[0], str)
            or not isinstance(rest[1], list)
            or not rest[1]
        ):
            raise BadQuery(f"Invalid filter [{operator!r}, …]", hint='["is", "event:page", ["/"]]')
        dimension, values = rest[0], [str(v) for v in rest[1]]
        if len(values) > MAX_VALUES or any("\0" in v for v in values):
            raise BadQuery(f"A filter has at most {MAX_VALUES} values")
        base, negated = (operator.removesuffix("_not"), operator.endswith("_not"))
        if base not in ("is", "contains", "matches"):
            raise BadQuery(
                f"Unknown operator {operator!r}", hint="is, is_not, contains, matches, and, or, not, has_done"
            )
        folded = len(rest) == 3 and isinstance(rest[2], dict) and rest[2].get("case_sensitive") is False
        tests = (
            self._goal_tests(base, values)
            if dimension == "event:goal"
            else self._tests(base, dimension, values, folded)
        )
        condition = f"({' OR '.join(tests)})"
        return f"NOT {condition}" if negated else condition

    def _tests(self, base: str, dimension: str, values: Sequence[str], folded: bool) -> list[str]:
        column = self.column(dimension)
        if base == "matches":
            return [_MATCH[self.dialect].format(column, self.parameter(v)) for v in values]
        if folded:
            column, values = f"lower({column})", [v.lower() for v in values]
        if base == "is":
            return [f"{column} IN ({', '.join(f':{self.parameter(v)}' for v in values)})"]
        if self.dialect == "sqlite":  # its LIKE knows no case
            return [f"instr({column}, :{self.parameter(v)}) > 0" for v in values]
        return [rf"{column} LIKE :{self.parameter(contains(v))} ESCAPE '\'" for v in values]

    def _goal_tests(self, base: str, values: Sequence[str]) -> list[str]:
        if base == "matches":
            raise BadQuery("Goals are filtered by is and contains")
        meant: Callable[[str], bool] = (
            (lambda name: name in values) if base == "is" else (lambda name: any(v in name for v in values))
        )
        found = [goal for goal in self.goals if meant(goal.name)]
        if base == "is" and len({g.name for g in found}) < len(set(values)):
            missing = sorted(set(values) - {g.name for g in found})
            raise BadQuery(f"The goal {missing[0]!r} is not configured for this site")
        return [self._goal(goal) for goal in found] or ["FALSE"]

    def _goal(self, goal: Goal) -> str:
        if goal.kind is GoalKind.EVENT:
            return f"e.name = :{self.parameter(goal.match)}"
        if goal.pattern is None:
            return f"(e.name = 'pageview' AND e.path = :{self.parameter(goal.match)})"
        matches = _MATCH[self.dialect].format("e.path", self.parameter(goal.pattern))
        return f"(e.name = 'pageview' AND {matches})"

    def tables(self, *, goal: bool) -> str:
        """FROM and WHERE up to the filters."""
        visits = " JOIN analytics_session s ON s.id = e.session_id" if self.visits else ""
        goals = f" JOIN analytics_goal g ON {REACHED[self.dialect]}" if goal else ""
        return (
            f"FROM analytics_event e{visits}{goals} "
            "WHERE e.source_id = :source_id AND e.at >= :since AND e.at < :until AND "
        )


def counts(question: Question, dimensions: Sequence[str], where: str, *, goal: bool) -> str:
    """Every metric that counts events and people, for each group."""
    columns = [f"{sql} AS d{i}" for i, sql in enumerate(dimensions)]
    metrics = [f"{sql} AS {name}" for name, sql in COUNTS.items()]
    groups = f" GROUP BY {', '.join(f'd{i}' for i in range(len(dimensions)))}" if dimensions else ""
    return f"SELECT {', '.join([*columns, *metrics, f'{CURRENCY} AS currency'])} {question.tables(goal=goal)}{where}{groups}"


def visits(question: Question, dimensions: Sequence[str], where: str, *, goal: bool) -> str:
    """Every metric of visits, for each group."""
    columns = [f"{sql} AS d{i}" for i, sql in enumerate(dimensions)]
    question.visits = True
    names = [f"d{i}" for i in range(len(dimensions))]
    inner = (
        f"SELECT DISTINCT {', '.join([*columns, 's.id', 's.events', 's.pageviews', 's.duration_s'])} "
        f"{question.tables(goal=goal)}{where}"
    )
    groups = f" GROUP BY {', '.join(names)}" if names else ""
    return f"SELECT {', '.join([*names, *VISITS.values()])} FROM ({inner}) x{groups}"

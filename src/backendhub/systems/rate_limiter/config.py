"""The configuration, as https://github.com/envoyproxy/ratelimit has it, with a few words more."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from backendhub.kit import yamls
from backendhub.kit.errors import Invalid
from backendhub.kit.limits import Rule

from .models import MOST, UNITS, Branch, Defaults, Descriptor, Entries, Limit, Match, Pattern

ROOT = {"domain", "descriptors"}
DESCRIPTOR = {
    "key", "value", "descriptors", "rate_limit", "shadow_mode", "quota_mode", "detailed_metric", "value_to_metric",
    "share_threshold", "metadata",
}  # fmt: skip
FLAGS = ("shadow_mode", "quota_mode", "detailed_metric", "value_to_metric", "share_threshold")
LIMIT = {"unit", "requests_per_unit", "unlimited", "name", "replaces", "algorithm", "burst", "fail"}
MAX_DEPTH = 50
MAX_KEY = 512
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Config:
    """Every domain. It is never changed, only replaced as a whole."""

    domains: dict[str, Branch] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)

    def find(self, domain: str, descriptor: Descriptor) -> Match | None:
        """The limit of a descriptor; None where there is none."""
        root = self.domains.get(domain)
        if root is None:
            return None
        if descriptor.override is not None:
            limit = overridden(domain, descriptor.entries, *descriptor.override, self.defaults)
            return Match(limit, counted_on(domain, descriptor.entries), limit.path)
        return _walk(root, domain, descriptor.entries)

    def limits(self) -> list[Limit]:
        """Every limit."""
        return [limit for root in self.domains.values() for limit in root.leaves()]


def _walk(root: Branch, domain: str, entries: Entries) -> Match | None:
    branch, shared, named = root, None, None
    for at, (key, value) in enumerate(entries):
        below = branch.exact.get((key, value))
        if below is None and branch.patterns:
            pattern = next((p for p in branch.patterns if p.matches(key, value)), None)
            if pattern is not None:
                below = pattern.branch
                if pattern.shared:
                    shared = {**(shared or {}), at: pattern.text}
        if below is None:
            below = branch.keys.get(key)
        if below is None:
            return None
        if below.named:
            named = {*(named or ()), at}
        branch = below
    limit = branch.limit
    if limit is None:
        return None
    if shared:
        entries = tuple((key, shared.get(at, value)) for at, (key, value) in enumerate(entries))
    label = limit.path
    if limit.detailed or named:
        label = ".".join(
            [domain, *(f"{k}_{v}" if v and (limit.detailed or at in (named or ())) else k
                       for at, (k, v) in enumerate(entries))]
        )  # fmt: skip
    return Match(limit, counted_on(domain, entries), label)


@lru_cache(maxsize=10_000)
def counted_on(domain: str, entries: Entries) -> str:
    """The key of a descriptor's counts: one for each, and short."""
    key = "|".join([_word(domain), *(f"{_word(name)}={_word(value)}" for name, value in entries)])
    if len(key) <= MAX_KEY:
        return key
    return key[: MAX_KEY - 40] + "#" + blake2b(key.encode(), digest_size=16).hexdigest()


def _word(text: str) -> str:
    return re.sub(r"[%|=#\x00-\x1f]", lambda m: f"%{ord(m[0]):02X}", text) if set(text) & MARKS else text


MARKS = {*"%|=#", *map(chr, range(32))}


@lru_cache(maxsize=1_000)
def overridden(domain: str, entries: Entries, amount: int, unit: str, defaults: Defaults) -> Limit:
    """A limit that a request brings along. Raises Invalid."""
    path = ".".join([domain, *(f"{key}_{value}" if value else key for key, value in entries)])
    return _limit({"unit": unit, "requests_per_unit": amount}, path, "The limit of the request", {}, defaults)


# -- reading -----------------------------------------------------------------------------------------------


def load(texts: Iterable[tuple[str, str]], defaults: Defaults) -> Config:
    """The configuration of some documents, each with the name that its mistakes are told under. Raises Invalid."""
    domains: dict[str, Branch] = {}
    for where, text in texts:
        root = _mapping(yamls.read(text, where), where, ROOT)
        domain = root.get("domain")
        if not isinstance(domain, str) or not domain:
            raise Invalid(f"{where}: a configuration has a domain.")
        if domain in domains:
            raise Invalid(f"{where}: the domain {domain!r} stands in another file too.")
        domains[domain] = _branch(root.get("descriptors"), domain, where, defaults, 0)
    return Config(domains, defaults)


def _branch(found: Any, path: str, where: str, defaults: Defaults, depth: int) -> Branch:
    branch = Branch()
    if depth > MAX_DEPTH:
        raise Invalid(f"{where}: descriptors are nested deeper than {MAX_DEPTH}.")
    if not isinstance(found, list | None):
        raise Invalid(f"{where}: the descriptors of {path} are no list.")
    for item in found or ():
        item = _mapping(item, where, DESCRIPTOR)
        flags = {name: _flag(item, name, where) for name in FLAGS}
        key, value = item.get("key"), item.get("value")
        if not isinstance(key, str) or not key:
            raise Invalid(f"{where}: a descriptor of {path} has no key.")
        text = "" if value is None else _scalar(value, f"{where}: the value of {path}.{key}")
        below = f"{path}.{key}_{text}" if text else f"{path}.{key}"
        made = _branch(item.get("descriptors"), below, where, defaults, depth + 1)
        made.named = flags["value_to_metric"]
        if item.get("rate_limit") is not None:
            made.limit = _limit(item["rate_limit"], below, where, item, defaults)
        _place(branch, key, text, made, where, below, shared=flags["share_threshold"])
    return branch


def _place(branch: Branch, key: str, text: str, made: Branch, where: str, path: str, *, shared: bool) -> None:
    if shared and "*" not in text:
        raise Invalid(f"{where}: share_threshold at {path} needs a value with a *.")
    if "*" in text:
        if any((p.key, p.text) == (key, text) for p in branch.patterns):
            raise Invalid(f"{where}: {path} stands twice.")
        branch.patterns.append(Pattern(key, text, tuple(text.split("*")), shared, made))
        return
    known: dict[Any, Branch] = branch.exact if text else branch.keys
    name: Any = (key, text) if text else key
    if name in known:
        raise Invalid(f"{where}: {path} stands twice.")
    known[name] = made


def _limit(found: Any, path: str, where: str, item: Json, defaults: Defaults) -> Limit:
    found = _mapping(found, where, LIMIT)
    unit = str(found.get("unit") or "").lower()
    unlimited = _flag(found, "unlimited", where)
    if unlimited and unit:
        raise Invalid(f"{where}: {path} is unlimited, and so has no unit.")
    if not unlimited and unit not in UNITS:
        raise Invalid(f"{where}: {path} has no unit.", hint="one of " + ", ".join(UNITS))
    amount = found.get("requests_per_unit", 0)
    if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount <= MOST:
        raise Invalid(f"{where}: requests_per_unit of {path} is no number from 0 to {MOST:,}.")
    name = _scalar(found.get("name") or "", f"{where}: the name of {path}")
    rule = _rule(found, path, where, name, amount, unit, defaults) if amount and not unlimited else None
    return Limit(
        path=path,
        amount=amount,
        unit=unit,
        rule=rule,
        unlimited=unlimited,
        shadow=_flag(item, "shadow_mode", where) or (defaults.shadow and not unlimited),
        quota=_flag(item, "quota_mode", where),
        detailed=_flag(item, "detailed_metric", where),
        name=name,
        replaces=_replaces(found.get("replaces"), path, where, name),
    )


def _rule(found: Json, path: str, where: str, name: str, amount: int, unit: str, defaults: Defaults) -> Rule:
    burst: Any = found.get("burst")
    algorithm: Any = found.get("algorithm") or defaults.algorithm
    fail: Any = found.get("fail") or defaults.fail
    if not isinstance(burst, int | None) or isinstance(burst, bool):
        raise Invalid(f"{where}: the burst of {path} is no whole number.")
    try:
        policy = re.sub(r"[^ -~]", "?", name or path)[:200]
        return Rule(amount, UNITS[unit], algorithm, burst, name=policy, fail=fail)
    except Invalid as error:
        raise Invalid(f"{where}: {path}: {error.message}", hint=error.hint) from None


def _replaces(found: Any, path: str, where: str, name: str) -> frozenset[str]:
    if not isinstance(found, list | None):
        raise Invalid(f"{where}: replaces of {path} is no list.")
    names = [_mapping(item, where, {"name"}).get("name") for item in found or ()]
    if not all(isinstance(each, str) and each for each in names):
        raise Invalid(f"{where}: an entry of replaces of {path} has no name.")
    if name in names:
        raise Invalid(f"{where}: {path} replaces itself.")
    return frozenset(str(each) for each in names)


def _mapping(found: Any, where: str, known: set[str]) -> Json:
    if not isinstance(found, dict):
        raise Invalid(f"{where}: {str(found)[:80]!r} stands where a mapping should.")
    for name in found:
        if name not in known:
            raise Invalid(
                f"{where}: there is no {str(name)[:80]!r}.", hint="known: " + ", ".join(sorted(known))
            )
    return found


def _flag(found: Json, name: str, where: str) -> bool:
    value = found.get(name, False)
    if not isinstance(value, bool | None):
        raise Invalid(f"{where}: {name} is true or false.")
    return bool(value)


def _scalar(value: Any, what: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise Invalid(f"{what} is no text.")
    return str(value)

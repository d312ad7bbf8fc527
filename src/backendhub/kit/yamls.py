"""Configuration that people write: YAML or JSON as plain values, with the place of what is wrong."""

from __future__ import annotations

from functools import cache
from typing import Any

from backendhub.kit.errors import Invalid

TEXT = "tag:yaml.org,2002:str"
MAX_BYTES = 4 * 2**20
MAX_DEPTH = 100
MAX_NODES = 200_000
"""Values in a document, those that aliases repeat counted again."""


def read(text: str | bytes, where: str = "The document") -> Any:
    """The value of one document: mappings, lists, text, numbers, booleans, None. Dates stay text.

    Raises Invalid for what is no YAML, for a name that stands twice in a mapping, and for documents beyond all measure.
    """
    import yaml

    if len(text) > MAX_BYTES:
        raise Invalid(f"{where} is larger than {MAX_BYTES // 2**20} MiB.")
    loader = _loader()(text)
    try:
        _measure(text, where)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MAX_NODES:
            raise Invalid(f"{where} has more than {MAX_NODES:,} values.")
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise Invalid(f"{where}{place}: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise Invalid(f"{where} is no YAML: {str(error).splitlines()[0]}.") from None
    finally:
        loader.dispose()


def write(value: Any) -> str:
    """A value as YAML, in the order that it has."""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


@cache
def _loader() -> Any:
    """A loader that knows what JSON knows."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for name, _ in node.value:  # before the base adds what `<<` names
                if isinstance(name.value, str) and name.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{name.value!r} stands twice", name.start_mark
                    )
                if isinstance(name.value, str) and name.tag == TEXT:
                    seen.add(name.value)
            return super().construct_mapping(node, deep=deep)

    without = ("tag:yaml.org,2002:timestamp",)
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag not in without]
        for first, found in base.yaml_implicit_resolvers.items()
    }
    return Loader


def _measure(text: str | bytes, where: str) -> None:
    """Raises Invalid for nesting that the reader's own recursion, which is C, would not survive."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise Invalid(f"{where}, line {event.start_mark.line + 1}: it is nested deeper than {MAX_DEPTH}.")


def _size(node: Any, known: dict[int, int]) -> int:
    """How many values a document has. Raises ValueError for one that contains itself."""
    if (found := known.get(id(node))) is not None:
        if not found:
            raise ValueError("it contains itself")
        return found
    known[id(node)] = 0
    total = 1
    if node.id == "mapping":
        total += sum(_size(name, known) + _size(value, known) for name, value in node.value)
    elif node.id == "sequence":
        total += sum(_size(value, known) for value in node.value)
    known[id(node)] = total
    return total

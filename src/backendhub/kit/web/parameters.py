"""What an endpoint's signature asks of path, query, headers and body, and how that is validated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from backendhub.kit.errors import Invalid, Malformed

from .forms import Form
from .request import Request
from .routing import Route


class Parameters:
    """The parameters of one endpoint: one validator for path, query and headers."""

    def __init__(self, route: Route, hints: dict[str, Any], defaults: dict[str, Any]) -> None:
        """`hints` without what is injected and without the body; `defaults` of those that have one."""
        self.open_query = route.open_query
        self.names = path_names(route.path)
        self.lists: set[str] = set()
        self.headers: dict[str, bytes] = {}
        self.query: set[str] = set()
        self.fields: dict[str, Any] = {}
        for name, hint in hints.items():
            alias = self._place(name, hint)
            self.fields[name] = (_bare_constraints(hint), Field(defaults.get(name, ...), alias=alias))
        self.validate: Callable[[dict[str, Any]], Any] | None = None
        if self.fields:
            self.validate = create_model(f"{route.fn.__name__}_parameters", **self.fields).model_validate

    def _place(self, name: str, hint: Any) -> str:
        """The parameter's name on the wire; notes where it is looked for."""
        info = field_info(hint)
        alias = (info.alias if info is not None else None) or name
        if info is not None and type(info).__name__ == "Header":
            alias = name.replace("_", "-")
            self.headers[alias] = alias.lower().encode()
        elif name not in self.names:
            self.query.add(alias)
            if repeats(hint):
                self.lists.add(alias)
        return alias

    def read(self, request: Request, values: list[str]) -> dict[str, Any]:
        """The keyword arguments of a request. Raises Invalid with every violation, Malformed."""
        raw: dict[str, Any] = dict(zip(self.names, values, strict=False))
        if request.query and (self.query or not self.open_query):
            self._read_query(request, raw)
        for name, key in self.headers.items():
            if (value := request.headers.get(key)) is not None:
                raw[name] = value.decode("latin-1")
        if self.validate is None:
            return {}
        try:
            return dict(self.validate(raw).__dict__)
        except ValidationError as error:
            raise _invalid(
                [self._violation(str(e["loc"][0]), e["type"], e["msg"]) for e in _found(error)]
            ) from None

    def _read_query(self, request: Request, raw: dict[str, Any]) -> None:
        for name, value in request.pairs():
            if name in self.lists:
                raw.setdefault(name, []).append(value)
            elif name not in self.query:
                if not self.open_query:
                    known = ", ".join(sorted(self.query)) or "there are none here"
                    raise Invalid(f"There is no query parameter {name[:80]!r}.", hint=f"known: {known}")
            elif name in raw:
                raise Invalid(f"The query parameter {name!r} is given twice.")
            else:
                raw[name] = value

    def _violation(self, name: str, code: str, detail: str) -> dict[str, str]:
        place = "path" if name in self.names else "header" if name in self.headers else "query"
        return {"in": place, "name": name, "code": code, "detail": detail}


class Body:
    """The body of one endpoint: JSON, strictly, or the fields of a form."""

    def __init__(self, name: str, hint: Any) -> None:
        self.name = name
        self.adapter: TypeAdapter[Any] = TypeAdapter(hint)
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        self.lists: set[str] = set()
        if is_model(bare):
            for field, info in bare.model_fields.items():
                if repeats(info.annotation):
                    self.lists |= {field, info.alias or field}

    def read(self, request: Request) -> Any:
        """The validated body. Raises Invalid with every violation, Malformed."""
        try:
            if request.form is not None:
                return self.adapter.validate_python(self._fields(request.form), strict=False)
            return self.adapter.validate_json(request.body, strict=True)
        except ValidationError as error:
            found = _found(error)
            if found[0]["type"] == "json_invalid":
                reason = found[0]["msg"].removeprefix("Invalid JSON: ")
                raise Malformed(f"The body is not JSON: {reason}.") from None
            violations = [
                {"in": "body", "pointer": _pointer(e["loc"]), "code": e["type"], "detail": e["msg"]}
                for e in found
            ]
            raise _invalid(violations) from None
        except RecursionError:
            raise Malformed("The body is nested too deeply.") from None

    def _fields(self, form: Form) -> dict[str, Any]:
        raw: dict[str, Any] = {}
        for name, value in form.items:
            if name in self.lists:
                raw.setdefault(name, []).append(value)
            elif name in raw:
                raise Invalid(f"The field {name[:80]!r} is given twice.")
            else:
                raw[name] = value
        return raw


def path_names(path: str) -> list[str]:
    """The names of the parameters in a route's path."""
    return [p.split(":")[0].strip("{}") for p in path.split("/") if p.startswith("{")]


def field_info(hint: Any) -> FieldInfo | None:
    """What FastAPI was told of a parameter (`Query(…)`, `Header(…)`, …); nested Annotated lie flat."""
    infos = [a for a in get_args(hint)[1:] if isinstance(a, FieldInfo)] if _annotated(hint) else []
    return infos[-1] if infos else None


def is_body(hint: Any) -> bool:
    """Whether a parameter is the body: a pydantic model, or anything marked `Body()`."""
    info = field_info(hint)
    bare = get_args(hint)[0] if _annotated(hint) else hint
    return (info is not None and type(info).__name__ == "Body") or is_model(bare)


def is_model(hint: Any) -> bool:
    """Whether a type is a pydantic model."""
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def repeats(hint: Any) -> bool:
    """Whether a parameter or field of this type may be given several times."""
    bare = get_args(hint)[0] if _annotated(hint) else hint
    return get_origin(bare) in (list, tuple) or any(get_origin(a) is list for a in get_args(bare))


def _annotated(hint: Any) -> bool:
    return get_origin(hint) is Annotated


def _bare_constraints(hint: Any) -> Any:
    """The type with its constraints (`ge`, `max_length`, …), without FastAPI's word for where it comes from."""
    if not _annotated(hint):
        return hint
    kept: list[Any] = []
    for extra in get_args(hint)[1:]:
        kept += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    bare = get_args(hint)[0]
    return Annotated[bare, *kept] if kept else bare


def _found(error: ValidationError) -> list[Any]:
    return list(error.errors(include_url=False, include_context=False, include_input=False))


def _invalid(errors: list[dict[str, str]]) -> Invalid:
    first = errors[0]
    where = first.get("name") or first.get("pointer") or "the body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Invalid(f"{where}: {first['detail']}{more}.", errors=errors)


def _pointer(loc: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in loc)

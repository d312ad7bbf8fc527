"""The OpenAPI 3.1 document of what is served: paths for each resource, its rows as their schema or their data have it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from backendhub.kit import problems
from backendhub.kit.db import Db
from backendhub.kit.hub import Hub
from backendhub.kit.resources import service, values
from backendhub.kit.resources.fields import Kind
from backendhub.kit.resources.models import Query, Resource, Rules
from backendhub.kit.resources.relations import reference, singular
from backendhub.kit.web.fields import NO_NUL

from .config import Config
from .models import MAX_IN, MAX_RELATIONS
from .query_v1 import OPERATORS
from .reading import MAX_INTEGER

Json = dict[str, Any]
TEXT: Json = {"type": "string", "pattern": NO_NUL}
ANY: Json = {
    "title": "JSON",
    "description": "Any JSON value",
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        TEXT,
        {"type": "array", "items": {"$ref": "#/components/schemas/Json"}},
        {"$ref": "#/components/schemas/Object"},
    ],
}
OBJECT: Json = {
    "type": "object",
    "description": "Any JSON object",
    "propertyNames": {"pattern": NO_NUL},
    "additionalProperties": {"$ref": "#/components/schemas/Json"},
}
ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "errors": problems.SCHEMA["properties"]["errors"]},
}
NAMES = {kind.value: kind.name.lower() for kind in Kind}
LIST = {"X-Total-Count": {"schema": {"type": "integer"}}, "Link": {"schema": {"type": "string"}}}


def document(hub: Hub, config: Config, declared: Json) -> Json:
    """The document; that of the declared routes where there are no resources yet."""
    found = hub.read(_read, config)
    return _Document(config, found).fill(declared) if found else declared


def _read(db: Db, config: Config) -> list[tuple[Resource, Json, list[str]]]:
    """Each resource with its schema and with the paths of its rows."""
    set_id = config.set_id(db)
    if set_id is None:
        return []
    return [
        (resource, _schema(db, config, resource), list(service.shape(db, resource)))
        for resource in service.resources(db, set_id)
    ]


def _schema(db: Db, config: Config, resource: Resource) -> Json:
    """The schema of a resource's rows: the one that was given, or any object, with what the rows there look like."""
    if (given := config.schemas.get(resource.name)) is not None:
        place = f'"#/components/schemas/{_identifier(resource.name)}/'
        text = values.write({name: part for name, part in given.items() if name != "$schema"})
        found: Json = values.read(text.replace('"#/', place))
        return found
    members = {
        path: JSON_REF
        | {"description": ", ".join(f"{NAMES[kind]} in {n:,}" for kind, n in sorted(kinds.items()))}
        for path, kinds in service.shape(db, resource).items()
        if "." not in path
    }
    examples = [row.value for row in service.find(db, resource, Query(limit=1)).rows]
    return OBJECT | {"properties": members, "examples": examples}


class _Document:
    def __init__(self, config: Config, found: Sequence[tuple[Resource, Json, list[str]]]) -> None:
        self.config = config
        self.rules: Rules = config.rules
        self.found = found
        self.paths: dict[str, Json] = {}
        self.schemas: dict[str, Json] = {
            "Json": ANY,
            "Object": OBJECT,
            "Problem": problems.SCHEMA,
            "Error": ERROR,
        }

    def fill(self, declared: Json) -> Json:
        """The document with the paths and schemas of the resources in place of `{resource}`."""
        for path in ("/db", "/__rules"):
            self.paths[path] = {
                "get": self.operation("get", f"read_{path.strip('/_')}", {"200": self.json(OBJECT)})
            }
        for resource, schema, paths in self.found:
            if resource.plural:
                self.plural(resource, schema, paths)
            else:
                self.singular(resource, schema)
        for parent, _, _ in self.found:
            for child, _, paths in self.found:
                if parent.plural and child.plural and reference(parent.name, self.rules) in paths:
                    self.nested(parent, child, paths)
        return declared | {"paths": self.paths, "components": {"schemas": self.schemas}}

    # -- paths -------------------------------------------------------------------------------------------

    def plural(self, resource: Resource, schema: Json, paths: Sequence[str]) -> None:
        name, title = resource.name, _identifier(resource.name)
        self.row_schemas(title, schema)
        row, sent, new = ({"$ref": f"#/components/schemas/{title}{part}"} for part in ("", "_sent", "_new"))
        self.paths[f"/{name}"] = {
            "get": self.operation("get", f"list_{title}", {"200": self.list(row)}, sortable=paths),
            "post": self.operation("post", f"add_{title}", {"201": self.json(row)}, new, failures=(409, 422)),
        }
        gone = self.json(row if self.config.version == 1 else {"type": "object", "maxProperties": 0})
        one = {"200": self.json(row)}
        key = [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": TEXT | {"minLength": 1},
            }
        ]
        self.paths[f"/{name}/{{id}}"] = {
            "get": self.operation("get", f"get_{title}", one, parameters=key, relations=True),
            "put": self.operation("put", f"replace_{title}", one, sent, key, failures=(404, 412, 422)),
            "patch": self.operation("patch", f"edit_{title}", one, OBJECT_REF, key, failures=(404, 412, 422)),
            "delete": self.operation(
                "delete", f"delete_{title}", {"200": gone}, parameters=key, failures=(412,)
            ),
        }

    def singular(self, resource: Resource, schema: Json) -> None:
        title = _identifier(resource.name)
        self.schemas[title] = schema
        row = {"$ref": f"#/components/schemas/{title}"}
        verbs = {"put": ("replace", row, "200"), "patch": ("edit", OBJECT_REF, "200")}
        if self.config.version == 0:
            verbs["post"] = ("set", row, "201")
        self.paths[f"/{resource.name}"] = {
            "get": self.operation("get", f"get_{title}", {"200": self.json(row)})
        } | {
            verb: self.operation(verb, f"{word}_{title}", {status: self.json(row)}, sent, failures=(412, 422))
            for verb, (word, sent, status) in verbs.items()
        }

    def nested(self, parent: Resource, child: Resource, paths: Sequence[str]) -> None:
        above, below = _identifier(parent.name), _identifier(child.name)
        row, new = {"$ref": f"#/components/schemas/{below}"}, {"$ref": f"#/components/schemas/{below}_new"}
        key = [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": TEXT | {"minLength": 1},
            }
        ]
        add = f"add_{below}_of_{above}"
        self.paths[f"/{parent.name}/{{id}}/{child.name}"] = {
            "get": self.operation(
                "get", f"list_{below}_of_{above}", {"200": self.list(row)}, parameters=key, sortable=paths
            ),
            "post": self.operation("post", add, {"201": self.json(row)}, new, key, failures=(409, 422)),
        }

    def operation(
        self,
        verb: str,
        id: str,
        responses: Json,
        body: Json | None = None,
        parameters: Sequence[Json] = (),
        *,
        sortable: Sequence[str] | None = None,
        relations: bool = False,
        failures: Sequence[int] = (),
    ) -> Json:
        """One operation, with everything that it may answer."""
        given = [*parameters]
        if sortable is not None:
            given += self.list_parameters(sortable)
        if relations or sortable is not None:
            given += self.relation_parameters()
        statuses = sorted({400, 404, *failures, *((413, 415, 422) if body is not None else ())})
        words = id.replace("_", " ").capitalize()
        operation: Json = {
            "operationId": id,
            "summary": words,
            "description": words,
            "responses": responses
            | {str(s): self.failure(s) for s in statuses}
            | {"default": self.failure(500)},
        }
        if given:
            operation["parameters"] = given
        if body is not None:
            operation["requestBody"] = {
                "required": self.config.strict,
                "content": {"application/json": {"schema": body}},
            }
        return operation

    # -- parameters --------------------------------------------------------------------------------------

    def list_parameters(self, paths: Sequence[str]) -> list[Json]:
        """Where it is strict, as strict as what reads them."""
        bounds = {"minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}
        number: Json = {"type": "integer"} | bounds if self.config.strict else TEXT
        sort: Json = _some_of(paths, "-?" * self.config.version) if self.config.strict else TEXT
        order: Json = (
            {"type": "string", "pattern": "^((asc|desc)(,(asc|desc)){0,4})?$"} if self.config.strict else TEXT
        )
        v0 = (
            ("q", "Text in any value", TEXT),
            ("_sort", "Fields: `views,author.name`", sort),
            ("_order", "`asc` or `desc`, for each field", order),
            ("_start", "Index of the first row", number),
            ("_end", "Index behind the last row", number),
            ("_limit", "Rows at most", number),
            ("_page", "Page, from 1", number),
        )
        v1 = (
            ("_sort", "Fields, `-` for descending: `-views,author.name`", sort),
            ("_page", "Page, from 1; the answer is an envelope then", number),
            ("_per_page", "Rows of a page", number),
            ("_where", 'Conditions as JSON: `{"or": [{"views": {"gt": 100}}]}`', TEXT),
        )
        named = (v0, v1)[self.config.version]
        found: list[Json] = [
            {"name": name, "in": "query", "required": False, "description": text, "schema": schema}
            for name, text, schema in named
        ]
        if self.config.version == 1 and self.config.strict:
            del found[-1]["schema"]
            found[-1]["content"] = {"application/json": {"schema": self.where(paths)}}
        return found

    def where(self, paths: Sequence[str]) -> Json:
        """`_where`, one level deep."""
        scalar: Json = {"anyOf": [{"type": ["null", "boolean", "number"]}, TEXT | {"maxLength": 100}]}
        several = {"type": "array", "items": scalar, "maxItems": MAX_IN}
        operators = {name: several if name == "in" else scalar for name in OPERATORS}
        test = {"type": "object", "properties": operators, "additionalProperties": False, "minProperties": 1}
        fields = {
            "properties": {path: test for path in paths if "." not in path},
            "additionalProperties": False,
        }
        one: Json = {"type": "object", "maxProperties": 3} | fields
        return one | {"properties": one["properties"] | {"or": {"type": "array", "items": one}}}

    def relation_parameters(self) -> list[Json]:
        many = [resource.name for resource, _, _ in self.found if resource.plural]
        ones = [singular(name) for name in many]
        names = {0: {"_embed": many, "_expand": ones}, 1: {"_embed": [*many, *ones]}}[self.config.version]
        return [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": "Related resources: " + ", ".join(f"`{each}`" for each in known),
                "schema": {
                    "type": "array",
                    "items": {"type": "string", "enum": known} if self.config.strict else TEXT,
                    "maxItems": MAX_RELATIONS,
                },
            }
            for name, known in names.items()
        ]

    # -- schemas -----------------------------------------------------------------------------------------

    def row_schemas(self, title: str, schema: Json) -> None:
        """A row as it is read, as it replaces another, and as it is added: with an id of its own in version 0."""
        id, members = self.rules.id, schema.get("properties", {})
        required = [name for name in schema.get("required", []) if name != id]
        read = {"type": "string"} if self.config.version == 1 else {"type": ["string", "number"]}
        chosen = {"anyOf": [TEXT | {"maxLength": 199}, {"type": ["integer", "null"]}]}
        new = chosen if self.config.version == 0 else {}
        for part, own, needed in (
            ("", read, [id, *required]),
            ("_sent", {}, required),
            ("_new", new, required),
        ):
            self.schemas[title + part] = schema | {"properties": members | {id: own}, "required": needed}

    def list(self, row: Json) -> Json:
        rows: Json = {"type": "array", "items": row}
        if self.config.version == 1:
            count = {"type": ["integer", "null"]}
            names = ("first", "prev", "next", "last", "pages", "items")
            envelope = {
                "type": "object",
                "required": [*names, "data"],
                "properties": dict.fromkeys(names, count) | {"data": rows},
            }
            rows = {"anyOf": [rows, envelope]}
        return self.json(rows) | {"headers": LIST}

    @staticmethod
    def json(schema: Json) -> Json:
        return {"description": "OK", "content": {"application/json": {"schema": schema}}}

    def failure(self, status: int) -> Json:
        description = "A failure" if status == 500 else HTTPStatus(status).phrase
        if self.config.version == 1:
            content: Json = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        else:
            problem = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            nothing = {"application/json": {"schema": {"type": "object", "maxProperties": 0}}}
            content = nothing if status == 404 else problem | nothing if status == 500 else problem
        return {"description": description, "content": content}


JSON_REF: Json = {"$ref": "#/components/schemas/Json"}
OBJECT_REF: Json = {"$ref": "#/components/schemas/Object"}


def _some_of(paths: Sequence[str], before: str) -> Json:
    """A list of paths, separated by commas."""
    one = f"{before}({'|'.join(re.escape(path) for path in paths if ',' not in path)})"
    return {"type": "string", "pattern": f"^({one}(,{one}){{0,4}})?$"}


def _identifier(name: str) -> str:
    """A name for components and operations: letters, digits and `_`."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)

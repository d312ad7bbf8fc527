"""Files, settings, accounts, documents: what surrounds the requests."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.app import serve_options
from backendhub.kit import accounts, web
from backendhub.kit import hub as hubs
from backendhub.kit.errors import Conflict, Invalid, NotFound
from backendhub.kit.resources import service
from backendhub.kit.resources.models import Query
from backendhub.registry import SYSTEMS, find
from backendhub.systems.rest import config as configs
from backendhub.systems.rest import demo, prepare, sync

SYSTEM = "rest"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "db.json"
    path.write_text('{"posts": [{"id": 1, "title": "a"}]}')
    return path


@pytest.fixture
def start(hub: hubs.Hub, file: Path) -> Callable[..., str]:
    """Does what `serve rest db.json` does before the first request; gives what it tells."""

    def run(**settings: str) -> str:
        hub._memory.clear()
        hub.settings.flags |= {"rest.files": str(file), **{f"rest.{n}": v for n, v in settings.items()}}
        config = configs.of(hub)
        return str(hub.unit(prepare.bring_up_to_date, config))

    return run


def titles(hub: hubs.Hub) -> list[Any]:
    def read(db: Any) -> list[Any]:
        found = service.find_set(db, configs.of(hub).set_name)
        assert found is not None
        posts = service.resource(db, found.id, "posts")
        return [row.value.get("title") for row in service.find(db, posts, Query()).rows]

    return hub.read(read)


def add(hub: hubs.Hub, title: str) -> None:
    def write(db: Any) -> None:
        config = configs.of(hub)
        set_id = config.set_id(db)
        assert set_id is not None
        service.add(db, service.resource(db, set_id, "posts"), {"title": title}, config.rules)

    hub.unit(write)
    configs.of(hub).note_change()


# -- the file ----------------------------------------------------------------------------------------------


def test_a_file_is_loaded_once_and_again_when_it_has_changed(start: Any, file: Path, hub: hubs.Hub) -> None:
    assert start() == "Loaded db.json: posts (1)."
    assert "before" in start()
    file.write_text('{"posts": [{"title": "b"}]}')
    assert "Loaded" in start() and titles(hub) == ["b"]


def test_neither_the_file_nor_the_store_loses_its_changes_unasked(
    start: Any, file: Path, hub: hubs.Hub
) -> None:
    start()
    add(hub, "mine")
    assert "before" in start() and titles(hub) == ["a", "mine"]
    file.write_text('{"posts": [{"title": "b"}]}')
    assert "--reload" in start() and titles(hub) == ["a", "mine"]
    assert "Loaded" in start(reload="true") and titles(hub) == ["b"]


def test_another_dialect_reads_the_file_in_its_own_way(start: Any, hub: hubs.Hub) -> None:
    start()
    assert "Loaded" in start(dialect="v1")
    with hub.store.transaction(write=False) as db:
        found = service.find_set(db, configs.of(hub).set_name)
        assert found is not None and '"id":"1"' in service.text(db, found.id)


def test_saving_writes_the_file_whole(start: Any, file: Path, hub: hubs.Hub) -> None:
    start(save="true")
    config = configs.of(hub)
    assert sync.save(hub, config) is True  # its layout
    add(hub, "né")
    file.chmod(0o640)
    assert sync.save(hub, config) is True and sync.save(hub, config) is False
    assert json.loads(file.read_text()) == {"posts": [{"id": 1, "title": "a"}, {"id": 2, "title": "né"}]}
    assert file.stat().st_mode & 0o777 == 0o640 and list(file.parent.glob(".db.json*")) == []
    assert "before" in start()


def test_watching_loads_what_others_write(start: Any, file: Path, hub: hubs.Hub) -> None:
    start(watch="true")
    config = configs.of(hub)
    assert sync.reload(hub, config) is False
    file.write_text('{"posts": [{"title": "other"}]}')
    assert sync.reload(hub, config) is True and titles(hub) == ["other"]
    file.write_text('{"posts": [{"title"')
    asyncio.run(sync._step(hub, config, 0.0))  # half written: looked at again later
    assert titles(hub) == ["other"]
    file.unlink()
    assert sync.reload(hub, config) is False


def test_what_is_written_is_saved_while_it_runs_and_at_the_end(
    start: Any, file: Path, hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "INTERVAL", 0.01)
    start(save="true")

    async def serve() -> None:
        task = asyncio.create_task(sync.run(hub, configs.of(hub)))
        add(hub, "one")
        for _ in range(500):
            await asyncio.sleep(0.01)
            if "one" in file.read_text():
                break
        add(hub, "two")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(serve())
    assert '"one"' in file.read_text() and '"two"' in file.read_text()


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"dialect": "v2"}, Invalid), ({"delay": "x"}, Invalid), ({"delay": "-1"}, Invalid), ({"strict": "maybe"}, Invalid),
        ({"files": "/none.json"}, NotFound), ({"files": "", "watch": "true"}, Invalid), ({"files": "", "save": "true"}, Invalid),
        ({"schema": "/none.json"}, Invalid), ({"routes": "RULES"}, Invalid), ({"files": "DOUBLE"}, Conflict),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_explained(
    start: Any, tmp_path: Path, settings: dict[str, str], error: type[Exception]
) -> None:
    (tmp_path / "rules.json").write_text('{"api": "/x"}')
    (tmp_path / "posts.csv").write_text("id\n1")
    names = {
        "RULES": str(tmp_path / "rules.json"),
        "DOUBLE": f"{tmp_path / 'db.json'}{os.pathsep}{tmp_path / 'posts.csv'}",
    }
    with pytest.raises(error) as caught:
        start(**{name: names.get(value, value) for name, value in settings.items()})
    assert str(caught.value)


# -- the command line --------------------------------------------------------------------------------------


def test_words_of_serve_are_systems_and_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    names, settings = serve_options.divided(["task", "rest", "db.json", "data", "todo", "rest"])
    assert names == ["task", "rest", "todo"]
    assert settings == {"rest.files": os.pathsep.join(str(tmp_path / name) for name in ("db.json", "data"))}
    assert serve_options.divided(["nothing"]) == (["nothing"], {})  # told by whoever looks for it
    for words in (["db.json"], ["task", "db.json"], ["task", "data"]):
        with pytest.raises(Invalid):
            serve_options.divided(words)


def test_options_of_serve_are_settings_of_the_systems_served() -> None:
    rest, task = find("rest"), find("task")
    assert rest and task
    assert serve_options.settings([task, rest], {"dialect": "v1", "strict": "true"}) == {
        "rest.dialect": "v1", "rest.strict": "true",
    }  # fmt: skip
    with pytest.raises(Invalid, match="--dialect is an option of rest"):
        serve_options.settings([task], {"dialect": "v1"})


def test_the_command_line_names_what_is_wrong(cli: Callable[..., Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for words, code, said in (
        (("rest", str(broken)), 2, "broken.json: This is not JSON"),
        (("rest", str(tmp_path / "none.json")), 3, "There is no file"),
        (("rest", "--dialect", "v9"), 2, "There is no dialect 'v9'"),
        (("task", "--dialect", "v1"), 2, "is an option of rest"),
    ):
        ran = cli("serve", *words, "--port", "0", "--memory")
        assert (ran.code, said in ran.err) == (code, True), ran.err
        assert len(ran.err.splitlines()) <= 2


# -- accounts ----------------------------------------------------------------------------------------------


def test_credentials_let_in_as_far_as_their_scopes_go(hub: hubs.Hub, rest: Any) -> None:
    from starlette.testclient import TestClient

    rest()
    hub.use("accounts")
    row = [s for s in SYSTEMS if s.name == "rest"]
    application: Any = web.build_app(
        row,
        hub,
        single=True,
        log_format="none",
        auth=web.Authenticator(accounts.authenticate, accounts.SCHEMES),
    )

    def key(db: Any, user: Any, scopes: list[str]) -> str:
        return str(accounts.api_keys.make(db, user.id, name="k", scopes=scopes)[1])

    user = hub.unit(accounts.add, email="a@example.com", username="ada", password_hash="x")
    whole, narrow = hub.unit(key, user, []), hub.unit(key, user, ["posts:read", "comments:*"])
    with TestClient(application) as http:
        assert http.get("/posts").status_code == 401 and http.get("/db").status_code == 401
        assert (
            "{resource}" in http.get("/openapi.json").text
            and "posts" not in http.get("/openapi.json").json()["paths"]
        )
        asks = {"x-api-key": narrow}
        assert http.get("/posts", headers=asks).status_code == 200
        assert http.post("/comments", json={}, headers=asks).status_code == 201
        for method, path in (("POST", "/posts"), ("DELETE", "/posts/1"), ("GET", "/profile"), ("GET", "/db")):
            assert http.request(method, path, headers=asks).status_code == 403, path
        assert http.delete("/posts/1", headers={"x-api-key": whole}).status_code == 200


# -- documents ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["v0", "v1"])
@pytest.mark.parametrize("strict", [False, True])
def test_the_document_says_what_is_there(rest: Any, dialect: str, strict: bool) -> None:
    from openapi_spec_validator import validate

    node = {
        "type": "object",
        "required": ["up", "none"],
        "properties": {"up": {"$ref": "#/$defs/node"}, "x": True},
    }
    members = {"body": {"$ref": "#/$defs/t"}, "tree": {"$ref": "#/$defs/node"}}
    schema = {"$defs": {"t": {"type": "string"}, "node": node}, "comments": {"properties": members}}
    http = rest(dialect=dialect, strict=strict, schema=schema)
    document = http.get("/openapi.json").json()
    validate(document)
    paths = document["paths"]
    assert {"/posts", "/posts/{id}", "/posts/{id}/comments", "/profile", "/db"} <= set(paths)
    assert "post" in paths["/posts"] and ("post" in paths["/profile"]) is (dialect == "v0")
    assert document["components"]["schemas"]["comments"]["properties"]["body"] == {
        "$ref": "#/components/schemas/comments/$defs/t"
    }
    http.post("/posts", json={"fresh": 1})
    posts = http.get("/openapi.json").json()["components"]["schemas"]["posts"]
    assert posts["properties"]["fresh"]["description"] == "number in 1"
    assert "/posts/{id}/comments" in http.get("/docs").text


def test_a_schema_is_kept_over_http(rest: Any) -> None:
    http = rest(schema={"posts": {"required": ["title"], "properties": {"title": {"minLength": 3}}}})
    response = http.post("/posts", json={"title": "x"})
    assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/title"
    assert http.patch("/posts/1", json={"title": ""}).status_code == 422
    assert http.post("/posts/1/comments", json={"anything": 1}).status_code == 201


def test_sample_data_is_there_in_either_dialect(hub: hubs.Hub, client: Any) -> None:
    assert hub.unit(demo.load) == 49 and hub.unit(demo.load) == 0
    http = client("rest")
    assert http.get("/posts?_page=1&_limit=10").headers["x-total-count"] == "15"
    assert len(http.get("/posts/1?_embed=comments").json()["comments"]) == 2


# -- the page ----------------------------------------------------------------------------------------------


def test_the_session_on_its_page_is_what_happens(
    hub: hubs.Hub, client: Any, root: Path, tmp_path: Path
) -> None:
    """Every `$ curl …` of the first session, run in order against the file shown there."""
    page = (root / "docs/systems/rest.md").read_text("utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    shown = blocks[0].partition("$ cat db.json\n")[2].partition("$ backendhub")[0]
    (tmp_path / "db.json").write_text(shown)
    hub.settings.flags["rest.files"] = str(tmp_path / "db.json")
    note = hub.unit(prepare.bring_up_to_date, configs.of(hub))
    assert note in blocks[0]
    http = client("rest")
    steps = re.findall(r"^\$ (curl .*)\n((?:(?!\$ ).*\n)*)", blocks[1], re.MULTILINE)
    assert len(steps) == 13
    for command, expected in steps:
        words = shlex.split(command)[1:]
        method, data, headers, url = "", None, {}, ""
        while words:
            word = words.pop(0)
            if word == "-X":
                method = words.pop(0)
            elif word == "-d":
                data = words.pop(0)
            elif word == "-H":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            else:
                url = word.removeprefix("localhost:8000")
        if data is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"  # as curl has it
        response = http.request(method or ("POST" if data else "GET"), url, content=data, headers=headers)
        found = response.text if response.status_code != 412 else "412"
        assert found == expected.rstrip("\n"), command

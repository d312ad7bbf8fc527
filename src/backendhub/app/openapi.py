"""`backendhub openapi NAME`: a system's OpenAPI document without a server."""

from __future__ import annotations

from typing import Annotated

from typer import Argument

from backendhub.kit import cli, hub

app = cli.commands("openapi")
COMMANDS = {"openapi": app}


@app.command("openapi", default=True, undoable=False, examples=("backendhub openapi task > task.json",))
def openapi(name: Annotated[str, Argument(help="A system with an API.", metavar="NAME")]) -> None:
    """Print a system's OpenAPI 3.1 document."""
    from backendhub.app.serve import chosen
    from backendhub.kit import web

    application = web.build_app(chosen([name]), hub.current(), single=True)
    assert application.root is not None
    hub.output().raw(application.root.openapi().decode() + "\n")

"""`backendhub cache-proxy --port 3000 --origin http://dummyjson.com`, and `--clear-cache`."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid

app = cli.commands(
    "cache-proxy",
    "A caching proxy in front of any server",
    examples=(
        "backendhub cache-proxy --port 3000 --origin http://dummyjson.com",
        "backendhub cache-proxy --clear-cache",
    ),
)


@app.command(
    "run",
    default=True,
    undoable=False,
    examples=(
        "backendhub cache-proxy --port 3000 --origin http://dummyjson.com",
        "backendhub cache-proxy --clear-cache",
    ),
)
def run(
    origin: Annotated[str | None, Option(help="Server to cache.", metavar="URL")] = None,
    port: Annotated[int, Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 3000,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    disk: Annotated[
        str | None, Option(help="Directory of the disk tier; none keeps all in memory.", metavar="DIR")
    ] = None,
    log_format: Annotated[str, Option(help="text, json or none.")] = "text",
    clear_cache: Annotated[bool, Option("--clear-cache", help="Empty the cache, and stop.")] = False,
) -> dict[str, int] | None:
    """Answer from the cache, ask the origin for the rest."""
    current = hub.current()
    if clear_cache:
        return _clear(disk)
    origin = origin or current.settings.get("cache_proxy.origin")
    if not origin:
        raise Invalid("There is no origin to cache.", hint="--origin http://dummyjson.com")
    words = [
        "cache-proxy",
        "--origin",
        origin,
        "--port",
        str(port),
        "--host",
        host,
        "--log-format",
        log_format,
    ]
    if disk is not None:
        words += ["--disk", disk]
    current.serve(words)
    return None


def _clear(given: str | None) -> dict[str, int]:
    """Removes what every origin has on disk; a server that runs forgets what it has in memory, too."""
    from . import disk
    from .config import base

    current = hub.current()
    root = base(given or current.settings.get("cache_proxy.disk") or "auto")
    count = 0
    if root is not None and root.is_dir():
        count = sum(disk.clear(folder) for folder in sorted(root.iterdir()) if folder.is_dir())
    current.output.note(f"Removed {count} stored {'response' if count == 1 else 'responses'}.")
    return {"removed": count}

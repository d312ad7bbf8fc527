"""`backendhub serve`: any of the APIs in one process, ready in a second."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from backendhub import registry
from backendhub.app import jobs, serve_options
from backendhub.kit import cli, hub, telemetry
from backendhub.kit.errors import Conflict, Invalid, NotFound

if TYPE_CHECKING:
    from backendhub.kit.web import Application, Authenticator

app = cli.commands("serve")
COMMANDS = {"serve": app}
AUTH = {
    "none": "none: whoever reaches this address may use it",
    "token": "token: accounts of this store (backendhub user add, user token, user key)",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DRAIN_SECONDS = 10
KEEP_ALIVE_S = 65
"""How long an idle connection stays: longer than clients and proxies keep theirs, so that none is cut while in use."""


def chosen(names: Sequence[str]) -> list[registry.System]:
    """The systems of these names that have an API; all of them for none. Raises NotFound, Invalid."""
    if not names:
        return [s for s in registry.SYSTEMS if s.has("api")]
    found = []
    for name in dict.fromkeys(names):
        system = registry.find(name)
        if system is None:
            known = [s.name for s in registry.SYSTEMS if s.has("api")]
            error = cli.unknown("system", name, name, known)
            raise NotFound(error.message, hint=error.hint)
        if not system.has("api"):
            raise Invalid(f"`{name}` has no API.", hint=f"backendhub {name} --help")
        found.append(system)
    return found


@app.command(
    "serve",
    default=True,
    undoable=False,
    examples=(
        "backendhub serve task                 # one, at /",
        "backendhub serve task todo --port 0   # several, under /task and /todo",
        "backendhub serve rest db.json         # a system with its files",
        "backendhub serve --demo               # all, with sample data",
    ),
    extras=serve_options.extras,
)
def serve(
    context: Context,
    names: Annotated[
        list[str] | None,
        Argument(help="Systems to serve, each with its files behind it; none means all.", metavar="NAME"),
    ] = None,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    workers: Annotated[int, Option(min=1, max=64, help="Processes.")] = 1,
    database: Annotated[
        str | None, Option(help="Store: a file, sqlite:///… or postgresql://…", metavar="URL")
    ] = None,
    redis: Annotated[
        str | None,
        Option(help="Redis for cache, limits and events: redis://host:6379/0", metavar="URL"),
    ] = None,
    bus: jobs.BusUrl = None,
    files: Annotated[
        str | None, Option(help="Where files are kept: a directory or s3://bucket/prefix.", metavar="URL")
    ] = None,
    memory: Annotated[bool, Option("--memory", help="Keep everything in memory; gone at the end.")] = False,
    demo: Annotated[bool, Option("--demo", help="Fill empty systems with sample data first.")] = False,
    open_: Annotated[bool, Option("--open", help="Open a browser when ready.")] = False,
    log_format: Annotated[str, Option(help="text, json or none.")] = "text",
    auth: Annotated[
        str | None,
        Option(
            help="Who may use it: none (anybody) or token (accounts of `backendhub user`).", metavar="HOW"
        ),
    ] = None,
    cors: Annotated[
        list[str] | None, Option(help="Origin that browsers may call from; * for any.", metavar="ORIGIN")
    ] = None,
    max_body: Annotated[int, Option(min=1, help="Largest request body in bytes.")] = 1024 * 1024,
    run_jobs: Annotated[
        bool, Option("--jobs/--no-jobs", help="Run background work here, too; or leave it to `jobs run`.")
    ] = True,
    console: Annotated[
        bool | None,
        Option(
            "--console/--no-console",
            help="The console at /_hub. Beyond this machine only when asked for, and for administrators.",
        ),
    ] = None,
    list_: Annotated[bool, Option("--list", help="List what can be served, and stop.")] = False,
) -> list[dict[str, str]] | None:
    """Run backends as APIs."""
    if list_:
        return [{"name": s.name, "group": s.group, "summary": s.summary} for s in chosen(())]
    words, settings = serve_options.divided(names or ())
    systems = chosen(words)
    settings |= serve_options.settings(systems, cli.given(context))
    if log_format not in ("text", "json", "none"):
        raise Invalid(f"There is no log format {log_format!r}.", hint="choose from text, json, none")
    if memory and (database or workers > 1):
        raise Invalid(
            "--memory is one process and one store of its own.", hint="leave out --database and --workers"
        )
    current = hub.current()
    if auth is not None:
        current.settings.flags["auth"] = auth
    if (asked := current.settings.get("auth")) not in AUTH:
        raise Invalid(f"{asked!r} is no way to authenticate.", hint="--auth none or --auth token")
    if memory or database:
        current.settings.flags["database"] = ":memory:" if memory else str(database)
    settings |= {"files": files} if files is not None else {}
    engines = {name: url for name, url in (("redis", redis), ("bus", bus)) if url is not None}
    current.settings.flags |= settings | engines
    alone(systems, workers)
    if files is not None:
        _ = current.files  # a place that cannot be used ends here, too
    options: dict[str, Any] = {
        "names": [s.name for s in systems],
        "single": len(words) == 1,
        "settings": settings,
        "database": current.settings.database,
        "redis": current.settings.get("redis") or "",
        "bus": current.settings.get("bus") or "",
        "workers": workers,
        "log_format": log_format,
        "cors": cors or [],
        "max_body": max_body,
        "jobs": run_jobs,
        "mail": host in LOOPBACK and asked == "none",
        "auth": asked,
        "signup": serve_options.signup(current.settings),
        "console": _console(console, host),
    }
    gc.enable()
    telemetry.logs(log_format)
    if options["single"]:
        current.use(*options["names"])
    current.read(
        lambda db: db.value("SELECT 1")
    )  # a store that cannot be used ends here, not at the first request
    if current.redis is not None:
        current.redis.check()
    jobs.reach(current)
    prepare(systems)
    listener = listen(host, port)
    if demo:
        fill(systems)
    if workers > 1:
        _several(options, listener, workers, host)
    else:
        _one(options, listener, host, open_browser=open_)
    return None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises Conflict where the port is taken and Invalid for an address of another machine."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise Invalid(f"{host!r} is not an address of this machine.", hint="--host 127.0.0.1") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if port and error.errno in (98, 48, 10048):
            raise Conflict(
                f"Port {port} is taken.", hint="choose another with --port, or --port 0 for a free one"
            ) from None
        raise Invalid(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
    listener.listen(2048)
    listener.set_inheritable(True)
    return listener


def alone(systems: Sequence[registry.System], workers: int) -> None:
    """Raises Invalid for several processes of systems that have to hear each other and have no Redis for it."""
    needy = [s for s in systems if s.uses]
    if workers > 1 and needy and not hub.current().settings.get("redis"):
        what = ", ".join(f"{s.name} ({' and '.join(s.uses.split())})" for s in needy)
        raise Invalid(
            f"With several workers these need a Redis that they share: {what}.",
            hint="--redis redis://127.0.0.1:6379, or --workers 1",
        )


def prepare(systems: Sequence[registry.System]) -> None:
    """Lets each system that has a `prepare` module look at its settings and files. Raises what it raises."""
    from importlib import import_module
    from importlib.util import find_spec

    current = hub.current()
    for system in systems:
        if find_spec(f"{system.package}.prepare") is not None:
            current.use(system.name)
            import_module(f"{system.package}.prepare").prepare(current)


def fill(systems: Sequence[registry.System]) -> None:
    """Runs the demo of each system that has one and is still empty."""
    from importlib import import_module
    from importlib.util import find_spec

    current = hub.current()
    for system in systems:
        if find_spec(f"{system.package}.demo") is not None:
            current.use(system.name)
            current.unit(import_module(f"{system.package}.demo").load)


def build(options: dict[str, Any]) -> Application:
    """The ASGI application of a process."""
    from backendhub.kit import web

    current = hub.current()
    current.settings.flags |= options["settings"]
    current.settings.flags |= {name: options[name] for name in ("database", "redis", "bus", "auth")}
    current.workers = options["workers"]
    systems = chosen(options["names"])
    jobs.traced(current)
    application = web.build_app(
        systems,
        current,
        single=options["single"],
        log_format=options["log_format"],
        cors=options["cors"],
        max_body=options["max_body"],
        auth=authenticator() if options["auth"] == "token" else None,
        background=[jobs.beside] if options["jobs"] and needs_jobs(systems) else [],
    )
    if options["mail"]:  # on loopback and where nobody has to sign in: it holds other people's links
        application.attach("/_mail", summary="Mail that was sent from here", package="backendhub.kit.mail")
    if options["console"]:
        from backendhub.app import console

        console.attach(application, local=options["console"] == "local")
    return application


def _console(asked: bool | None, host: str) -> str:
    """Whom the console is for: `local` for whoever is on this machine, `admin` for administrators, nobody."""
    local = host in LOOPBACK
    if asked is False or (asked is None and not local):
        return ""
    return "local" if local else "admin"


def needs_jobs(systems: Sequence[registry.System]) -> bool:
    """Whether any of these systems has background work: a worker beside the others would only cost."""
    from backendhub.kit.db.migrate import needs

    return any(s.has("jobs") or {"jobs", "files"} & {*needs(s.name, "sqlite")} for s in systems)


def authenticator() -> Authenticator:
    """What `--auth token` puts before every route that has no authenticator of its own."""
    from backendhub.kit import accounts, web

    hub.current().use("accounts")
    return web.Authenticator(accounts.authenticate, accounts.SCHEMES)


def _address(listener: socket.socket, host: str) -> str:
    port = listener.getsockname()[1]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _banner(options: dict[str, Any], listener: socket.socket, host: str, docs: str = "/docs") -> None:
    """What is told when, and only when, requests will be answered."""
    output = hub.current().output
    address = _address(listener, host)
    if host not in LOOPBACK and options["auth"] == "none":
        output.warn(
            f"listening on {host}: every machine that reaches this one can use it, and nothing asks for a password "
            "(--auth token does)."
        )
    names = options["names"]
    what = names[0] if options["single"] else f"{len(names)} systems"
    console = f", all: {address}/_hub" if options["console"] else ""
    output.line(
        f"Serving {what} at {address}/  (docs: {address}{'' if options['single'] else '/NAME'}{docs}{console})"
    )
    if options["console"] == "admin":
        output.note(
            "The console asks for an administrator (backendhub user promote): put TLS in front of it."
        )
    output.stdout.flush()
    output.note(f"Authentication: {AUTH[options['auth']]}.{options['signup']}")
    output.note("Ctrl-C stops it.")
    output.stderr.flush()


def _config(target: Any, **more: Any) -> Any:
    import uvicorn

    from backendhub.kit.web import server

    return uvicorn.Config(
        target,
        http=server.HttpProtocol,
        ws=server.SocketProtocol,
        **server.SETTINGS,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_S,
        **more,
    )


def _one(options: dict[str, Any], listener: socket.socket, host: str, *, open_browser: bool) -> None:
    import uvicorn

    application = build(options)

    class Server(uvicorn.Server):
        """Says that it is ready when it is, and that it no longer is before it drains."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                router = application.root.router if application.root is not None else None
                _banner(options, listener, host, (router.documents if router is not None else "") + "/docs")
                if open_browser:
                    import webbrowser

                    webbrowser.open(_address(listener, host) + ("/_hub" if options["console"] else "/"))

        def handle_exit(self, sig: int, frame: Any) -> None:
            application.ready = False
            super().handle_exit(sig, frame)
            self._captured_signals.clear()  # else it would raise them again: a drained server has ended well

    server = Server(_config(application))
    server.run(sockets=[listener])


def _several(options: dict[str, Any], listener: socket.socket, workers: int, host: str) -> None:
    from uvicorn.supervisors import Multiprocess

    if "todo" in options["names"]:
        hub.current().output.warn(
            "todo lives in the memory of one process: with several workers each has its own."
        )
    import json

    os.environ["_BACKENDHUB_SERVE"] = json.dumps(options)
    config = _config("backendhub.app.serve:worker", factory=True, workers=workers)
    threading.Thread(target=_announce, args=(options, listener, host), daemon=True).start()
    Multiprocess(config, sockets=[listener]).run()


def _announce(options: dict[str, Any], listener: socket.socket, host: str) -> None:
    """Prints the address once a worker answers `/readyz`."""
    address = listener.getsockname()
    target = ("127.0.0.1" if host == "0.0.0.0" else address[0], address[1])
    for _ in range(600):
        with contextlib.suppress(OSError), socket.create_connection(target, timeout=5) as probe:
            probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            if probe.recv(12).endswith(b"200"):
                _banner(options, listener, host)
                return
        time.sleep(0.05)


def worker() -> Application:
    """The application of one worker process; its options come from the parent by the environment."""
    import json

    from backendhub.kit.settings import Settings

    options = json.loads(os.environ["_BACKENDHUB_SERVE"])
    telemetry.logs(options["log_format"])
    hub.install(hub.Hub(Settings(declared=[o for s in registry.SYSTEMS for o in s.settings])))
    return build(options)

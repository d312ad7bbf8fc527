"""Shared fixtures: a store on each engine, a hub, the command line in process and as a process, a held clock."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import hypothesis
import pytest

from backendhub import registry
from backendhub.kit import clock
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.settings import Settings

# A run that was started in the background ignores Ctrl-C and hands that on to every process it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["TZ"] = "UTC"
if hasattr(time, "tzset"):
    time.tzset()

# How long an example takes is the machine's affair: two cores run many processes here.
hypothesis.settings.register_profile(
    "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")

NOW = "2026-01-05T09:00:00Z"  # a Monday
POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379"
NATS = "nats://127.0.0.1:4222"
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672/"
NOISE = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "PAGER")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A coroutine function is a test too; it runs in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{n: v for n, v in pyfuncitem.funcargs.items() if n in wanted}))
    return True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The few that take longest come first, whatever the order of the others: one at the end would keep a core alone."""
    items.sort(key=lambda item: "test_schemathesis" not in item.nodeid)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: a quarter of the time of a test is waiting, for a server or for a clock."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def _own_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the settings, store or colours of the person who runs it."""
    for name in list(os.environ):
        if name in NOISE or (name.startswith("BACKENDHUB_") and not name.startswith("BACKENDHUB_TEST_")):
            monkeypatch.delenv(name)
    for kind in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    yield
    if hubs._current is not None:
        hubs._current.close()
        hubs.install(None)


# -- services ---------------------------------------------------------------------------------------------


class Services:
    """Servers that tests can use: found by variable or at their loopback default, else the test is skipped."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}  # name → why it cannot be used, "" where it can

    def postgres(self) -> str:
        """The URL of a PostgreSQL server where schemas may be made."""
        return self._url("PostgreSQL", "BACKENDHUB_TEST_POSTGRES", POSTGRES, self._ask_postgres)

    def redis(self) -> str:
        """The URL of a Redis server."""
        return self._url("Redis", "BACKENDHUB_TEST_REDIS", REDIS, self._ask_redis)

    def nats(self) -> str:
        """The URL of a NATS server with JetStream."""
        return self._url("NATS", "BACKENDHUB_TEST_NATS", NATS, self._ask_nats)

    def rabbitmq(self) -> str:
        """The URL of a RabbitMQ server."""
        return self._url("RabbitMQ", "BACKENDHUB_TEST_RABBITMQ", RABBITMQ, self._ask_rabbitmq)

    def _url(self, name: str, variable: str, default: str, ask: Callable[[str], str]) -> str:
        url = os.environ.get(variable) or default
        if name not in self.known:
            self.known[name] = ask(url)
        if reason := self.known[name]:
            text = f"{name} at {url} cannot be used ({variable} names another): {reason}"
            if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
                pytest.fail(text, pytrace=False)
            pytest.skip(text)
        return url

    @staticmethod
    def _ask_postgres(url: str) -> str:
        try:
            import psycopg

            psycopg.connect(url, connect_timeout=3).close()
        except Exception as error:
            return str(error).strip().splitlines()[-1]
        return ""

    @staticmethod
    def _first_bytes(url: str, port: int, question: bytes) -> tuple[bytes, str]:
        """How a server begins its answer, or why it has none."""
        import socket
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        try:
            with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or port), 3) as link:
                link.sendall(question)
                return link.recv(4096), ""
        except OSError as error:
            return b"", str(error)

    def _ask_redis(self, url: str) -> str:
        answer, reason = self._first_bytes(url, 6379, b"PING\r\n")
        known = answer.startswith((b"+PONG", b"-NOAUTH"))
        return reason or ("" if known else "it does not speak Redis")

    def _ask_nats(self, url: str) -> str:
        answer, reason = self._first_bytes(url, 4222, b"")
        return reason or ("" if b'"jetstream":true' in answer else "it has no JetStream")

    def _ask_rabbitmq(self, url: str) -> str:
        answer, reason = self._first_bytes(url, 5672, b"AMQP\x00\x00\x09\x01")
        return reason or ("" if answer.startswith(b"\x01\x00\x00") else "it does not speak AMQP 0-9-1")


@pytest.fixture(scope="session")
def services() -> Services:
    """See Services."""
    return Services()


class Schemas:
    """PostgreSQL schemas of this test process, each as a URL, dropped at the end."""

    def __init__(self, url: str) -> None:
        import psycopg

        self.url = url
        self.names: list[str] = []
        self.admin = psycopg.connect(url, autocommit=True)

    def make(self) -> str:
        name = f"bh_{uuid4().hex[:12]}"
        self.admin.execute(f"CREATE SCHEMA {name}")
        self.names.append(name)
        return f"{self.url}{'&' if '?' in self.url else '?'}options={quote(f'-csearch_path={name}')}"

    def drop(self, count: int) -> None:
        while len(self.names) > count:
            self.admin.execute(f"DROP SCHEMA {self.names.pop()} CASCADE")


@pytest.fixture(scope="session")
def _schemas(services: Services) -> Iterator[Callable[[], Schemas]]:
    made: list[Schemas] = []

    def get() -> Schemas:
        url = services.postgres()
        if not made:
            made.append(Schemas(url))
        return made[0]

    yield get
    for schemas in made:
        schemas.drop(0)
        schemas.admin.close()


@pytest.fixture
def postgres_url(_schemas: Callable[[], Schemas]) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL schema."""
    schemas = _schemas()
    count = len(schemas.names)
    yield schemas.make()
    schemas.drop(count)


# -- buckets ----------------------------------------------------------------------------------------------

S3_VARIABLES = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3."""
    import socket

    server_module = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("obstore", reason="the extra `objects` is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a place in a bucket of its own, with credentials and endpoint in the environment."""
    import httpx

    for name, value in {**S3_VARIABLES, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    bucket = f"b{uuid4().hex}"
    httpx.put(f"{s3_endpoint}/{bucket}").raise_for_status()
    return f"s3://{bucket}/some/prefix"


@pytest.fixture
def redis_url(services: Services) -> Iterator[str]:
    """The URL of a Redis with a prefix of this test's own; its keys are deleted at the end."""
    from backendhub.kit.redis import Redis

    url = f"{services.redis()}?prefix=test-{uuid4().hex[:12]}"
    yield url
    redis = Redis(url)
    cursor = "0"
    while True:
        cursor, keys = redis.call("SCAN", cursor, "MATCH", redis.prefix + ":*", "COUNT", 1000)
        if keys:
            redis.call("UNLINK", *keys)
        if int(cursor) == 0:
            break
    redis.close()


class RedisServer:
    """A Redis of a test's own, which may be stopped, frozen and started again at the same place."""

    def __init__(self, folder: Path, *options: str) -> None:
        import socket

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.socket = folder / "redis.sock"
        self.url = f"redis://127.0.0.1:{self.port}"
        self.command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
        ]
        self.command += [
            str(folder),
            "--unixsocket",
            str(self.socket),
            "--enable-debug-command",
            "yes",
            *options,
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        import socket

        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server does not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def redis_server(services: Services, tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """`redis_server("--requirepass", "x")`: a Redis of the test's own, running."""
    import shutil

    if shutil.which("redis-server") is None:
        services.redis()  # absent as well: says so; present: there is only no program to start another with
        pytest.skip("there is no redis-server to start")
    with ExitStack() as stack:

        def start(*options: str) -> RedisServer:
            server = RedisServer(tmp_path, *options)
            server.start()
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def own_certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(7)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )  # fmt: skip
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key


# -- stores -----------------------------------------------------------------------------------------------

ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
def store_url(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The URL of a store of its own on each engine."""
    if engine == "sqlite":
        return str(tmp_path / "store.db")
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A fresh store on each engine, whose commits are real."""
    opened = connect(store_url)
    yield opened
    opened.close()


def _system(request: pytest.FixtureRequest) -> list[str]:
    """The system under test: `SYSTEM` of the module, or the folder below tests/systems."""
    if name := getattr(request.module, "SYSTEM", None):
        return [name]
    parts = Path(str(request.path)).parts
    if "systems" in parts[:-1]:
        folder = parts[parts.index("systems") + 1]
        return [s.name for s in registry.SYSTEMS if s.name.replace("-", "_") == folder]
    return []


class _RollBack(Exception):
    """Ends a test's transaction."""


@pytest.fixture(scope="session")
def _migrated(_schemas: Callable[[], Schemas]) -> Iterator[Callable[[str, tuple[str, ...]], Store]]:
    """One store for each engine and system in this process: tests that roll back share it."""
    known: dict[tuple[str, tuple[str, ...]], Store] = {}

    def get(engine: str, systems: tuple[str, ...]) -> Store:
        if engine == "postgres":
            schemas = _schemas()
        if (engine, systems) not in known:
            store = connect(":memory:" if engine == "sqlite" else schemas.make())
            store.use(*systems)
            known[engine, systems] = store
        return known[engine, systems]

    yield get
    for store in known.values():
        store.close()


RESTART = """DO $$ DECLARE s regclass; BEGIN
  FOR s IN SELECT oid FROM pg_class WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace
  LOOP EXECUTE format('ALTER SEQUENCE %s RESTART', s); END LOOP; END $$"""


@pytest.fixture
def db(
    engine: str, request: pytest.FixtureRequest, _migrated: Callable[[str, tuple[str, ...]], Store]
) -> Iterator[Db]:
    """A transaction on each engine with the tables of the system under test; rolled back at the end.

    Ids start at 1 (SQLite rolls its counters back; those of PostgreSQL are restarted in the transaction).
    """
    store = _migrated(engine, tuple(_system(request)))
    try:
        with store.transaction() as transaction:
            if engine == "postgres":
                transaction.run(RESTART)
            yield transaction
            raise _RollBack
    except _RollBack:
        pass


@pytest.fixture
def frozen() -> Iterator[Callable[[str], None]]:
    """Holds the clock at 2026-01-05T09:00:00Z; calling it with another time moves it there."""
    with ExitStack() as stack:
        stack.enter_context(clock.frozen(NOW))
        yield lambda at: stack.enter_context(clock.frozen(at))


@pytest.fixture
def hub(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[hubs.Hub]:
    """A hub on a SQLite store of its own, installed as the current one."""
    declared = [o for s in registry.SYSTEMS for o in s.settings]
    made = hubs.Hub(Settings({"database": str(tmp_path / "hub.db")}, declared=declared))
    made.use(*_system(request))
    hubs.install(made)
    yield made
    made.close()
    hubs.install(None)


@pytest.fixture
def client(hub: hubs.Hub) -> Iterator[Callable[..., Any]]:
    """`client("task")`: an HTTP client of that system, served at `/`."""
    from backendhub.kit import web

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would rather have httpx2
        from starlette.testclient import TestClient

    with ExitStack() as stack:

        def get(*names: str) -> TestClient:
            systems = [s for s in registry.SYSTEMS if s.name in names]
            application: Any = web.build_app(systems, hub, single=len(names) == 1, log_format="none")
            return stack.enter_context(TestClient(application, raise_server_exceptions=False))

        yield get


# -- the command line -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


class _Terminal(io.TextIOWrapper):
    """A text stream that may claim to be a terminal."""

    def __init__(self, tty: bool, data: bytes = b"") -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", newline="", write_through=True)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty

    def text(self) -> str:
        buffer = self.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """`cli("task", "add", "x")`: runs a command line in this process, with directories of its own."""
    from backendhub.app.main import main

    def run(*args: str, stdin: str = "", tty: bool = False) -> Ran:
        out, err = _Terminal(tty), _Terminal(tty)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", _Terminal(tty, stdin.encode()))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = main(list(args))
        if hubs._current is not None:
            hubs._current.close()
            hubs.install(None)
        return Ran(code, out.text(), err.text())

    return run


@pytest.fixture
def command() -> list[str]:
    """The words that start this product as a process of its own."""
    return [sys.executable, "-m", "backendhub"]


@pytest.fixture
def process(command: list[str]) -> Callable[..., Ran]:
    """`process("task", "list")`: the same as `cli` in a process of its own."""

    def run(*args: str, stdin: str = "", env: dict[str, str] | None = None, timeout: float = 60) -> Ran:
        done = subprocess.run(
            [*command, *args],
            input=stdin.encode(),
            env={**os.environ, **(env or {})},
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def root() -> Path:
    """The source tree."""
    return Path(__file__).parents[1]


# -- browsers ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> ModuleType:
    """The module beside this one; tests are no package."""
    spec = util.spec_from_file_location("backendhub_test_browser", Path(__file__).with_name("browser.py"))
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def browsers(chromium: Any, tmp_path: Path) -> Iterator[Callable[[], Any]]:
    """Each call opens another page of headless Chromium, with a profile of its own."""
    program = chromium.find()
    if program is None:
        if os.environ.get("BACKENDHUB_TEST_REQUIRE_SERVICES") == "1":
            pytest.fail("there is no Chromium on this machine", pytrace=False)
        pytest.skip("there is no Chromium on this machine")
    with ExitStack() as stack:

        def start() -> Any:
            folder = tmp_path / f"browser-{uuid4().hex[:8]}"
            folder.mkdir()
            started = chromium.Browser(program, folder)
            stack.callback(started.close)
            return started

        yield start


@pytest.fixture
def browser(browsers: Callable[[], Any]) -> Any:
    """A page of headless Chromium."""
    return browsers()

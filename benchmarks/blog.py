"""`blog` beside peers and beside the foundation's read, in one run: python benchmarks/blog.py [--seconds 4] [--rounds 3]

Needs wrk (Debian package), `npm install` in benchmarks/peers for Express with better-sqlite3, and for Django REST
Framework a virtual environment at benchmarks/peers/.venv with benchmarks/peers/requirements.txt. What is missing is left
out and said. All serve the list from one SQLite file of ours, and must give the same JSON before anything is measured.
Every server is one process; wrk keeps 16 connections. Rounds alternate, the median is printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import urllib.request
from pathlib import Path

from requests_per_second import HERE, ROWS, Server, free_port
from requests_per_second import fill as fill_tasks

ARTICLES, AUTHORS = 1000, 50
LIST = "/api/articles?limit=20"
WORDS = ["apple", "river", "stone", "paper", "light", "north", "train", "bread", "index", "quiet"]


def fill(path: str) -> str:
    """A blog of 1,000 articles; gives a token."""
    from backendhub.kit import accounts
    from backendhub.kit.hub import Hub
    from backendhub.kit.identity import Principal
    from backendhub.kit.settings import Settings
    from backendhub.systems.blog.service import articles, people

    hub = Hub(Settings({"database": path}))
    hub.use("blog")

    def add(db) -> str:
        users = [
            accounts.add(db, username=f"author{n}", email=f"author{n}@mail.example") for n in range(AUTHORS)
        ]
        for user in users[::2]:
            people.edit(db, user.id, bio="Writes about trains.", image="https://pictures.example/a.png")
        for n in range(ARTICLES):
            user = users[n % AUTHORS]
            tags = [WORDS[n % 10], WORDS[n // 10 % 10], WORDS[n // 100 % 10]]
            article = articles.add(
                db,
                Principal(user.id, user.username),
                title=f"Article number {n} about {WORDS[n % 10]}",
                description=f"What there is to say about {WORDS[n % 10]} in two hundred words.",
                body=" ".join(WORDS * 20),
                tags=tags,
            )
            for fan in users[: n % 4]:
                articles.favorite(db, Principal(fan.id, fan.username), article.slug)
        return accounts.sign_in(db, hub, users[0], lifetime_s=86_400).access_token

    token = hub.unit(add)
    hub.close()
    return token


def get(server: Server, path: str) -> object:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
        return json.load(answer)


def cpu(server: Server) -> float:
    """Seconds of CPU that a server's processes have used (Linux): steadier than requests a second where others work, too."""
    group, used = str(os.getpgid(server.process.pid)), 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[2] == group:
                used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    database, tasks = work / "blog.db", f"sqlite:///{work}/tasks.db"
    token = fill(str(database))
    fill_tasks(tasks)
    lua = work / "token.lua"
    lua.write_text(f'wrk.headers["Authorization"] = "Token {token}"\n')
    python, peers = sys.executable, HERE / "peers"
    servers: dict[str, Server] = {}

    def start(name: str, command: list[str], path: str) -> None:
        port = free_port()
        words = [part.replace("PORT", str(port)) for part in command]
        servers[name] = Server(name, words, port, path, DATABASE=str(database), PORT=str(port))

    serve = [python, "-m", "backendhub", "serve", "--port", "PORT", "--log-format", "none"]
    start("ours", [*serve, "blog", "--database", str(database)], LIST)
    start("task", [*serve, "task", "--database", tasks], f"/tasks/{ROWS // 2}")
    if (peers / "node_modules/better-sqlite3").exists():
        start("Express", ["node", str(peers / "conduit_express.js")], LIST)
    else:
        print("Express: left out (npm install in benchmarks/peers)")
    if (gunicorn := peers / ".venv/bin/gunicorn").exists():
        flags = ["--workers", "1", "--threads", "4", "--keep-alive", "30", "--bind", "127.0.0.1:PORT"]
        command = [
            str(gunicorn),
            "--chdir",
            str(peers),
            "conduit_django:application",
            "-k",
            "gthread",
            *flags,
        ]
        start("Django", command, LIST)
    else:
        print("Django: left out (uv venv benchmarks/peers/.venv, then pip install -r requirements.txt)")
    runs: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    ours = servers["ours"]
    slug = get(ours, LIST)["articles"][7]["slug"]
    measured = {
        "list, ours": (ours, LIST, None),
        "list, ours, signed in": (ours, LIST, str(lua)),
        **{f"list, {n}": (servers[n], LIST, None) for n in ("Express", "Django") if n in servers},
        "article, ours, signed in": (ours, f"/api/articles/{slug}", str(lua)),
        "article, ours": (ours, f"/api/articles/{slug}", None),
        "task, unauthenticated": (servers["task"], f"/tasks/{ROWS // 2}", None),
    }
    try:
        whole = get(ours, LIST)
        assert len(whole["articles"]) == 20 and whole["articlesCount"] == ARTICLES
        for name in ("Express", "Django"):
            if name in servers and get(servers[name], LIST) != whole:
                raise SystemExit(f"{name} gives another list")
        for _ in range(options.rounds):
            for name, (server, path, script) in measured.items():
                before = cpu(server)
                rate = server.wrk(options.seconds, path, script)
                runs.setdefault(name, []).append(rate)
                costs.setdefault(name, []).append((cpu(server) - before) / (rate * options.seconds) * 1e6)
    finally:
        for server in servers.values():
            server.stop()
    figures = {name: statistics.median(values) for name, values in runs.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    for name, value in figures.items():
        spread = f"({min(runs[name]):,.0f} to {max(runs[name]):,.0f})"
        print(f"{name:<26} {value:>9,.0f} requests/s {spread:<20} {cost[name]:>8,.0f} µs CPU each")
    print()
    rows = [
        ("article signed in / task", "article, ours, signed in", "task, unauthenticated", "≥ 0.7"),
        ("list / Django REST Framework", "list, ours", "list, Django", "≥ 3"),
        ("list / Express + better-sqlite3", "list, ours", "list, Express", "≥ 3 of one of both"),
    ]
    for label, a, b, goal in rows:
        if a in figures and b in figures:
            rate, effort = figures[a] / figures[b], cost[b] / cost[a]
            print(f"{label:<33} {rate:5.2f} by rate   {effort:5.2f} by CPU   (goal {goal})")


if __name__ == "__main__":
    main()

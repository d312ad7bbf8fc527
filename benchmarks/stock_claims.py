"""Guarded stock claims through the HTTP API beside the foundation's writes, in one run.

    python benchmarks/stock_claims.py [--seconds 4] [--rounds 3]

Both are one process on SQLite with 16 connections from one wrk thread (Debian package `wrk`). The foundation's write is
`POST /tasks`; a claim is `POST /admin/reservations`, which knows who asks (an API key), takes one piece from the stock by a
guarded UPDATE and writes the hold. Rounds alternate, medians are printed; afterwards every claim must be in the stock's
count, and every invariant of the shop must hold. Figures are ratios: a shared machine's absolute numbers say little.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from backendhub.kit import reservation
from backendhub.kit.accounts import api_keys, users
from backendhub.kit.db import Db, connect
from backendhub.systems.shop.service import catalogue, regions, stock

PIECES = 10_000_000


class Server:
    """`backendhub serve NAME` on a free port."""

    def __init__(self, name: str, database: str) -> None:
        command = [sys.executable, "-m", "backendhub", "serve", name, "--port", "0", "--log-format", "none"]
        env = os.environ | {"BACKENDHUB_DATABASE": database}
        self.process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.search(r"at (http://[\d.:]+)", line):
                self.url = match[1]
                return
        raise SystemExit(f"{name} does not start")

    def wrk(self, path: str, script: Path, seconds: float) -> float:
        """Requests a second; every answer must be a success."""
        command = ["wrk", "-t1", "-c16", f"-d{seconds:.0f}s", "-s", str(script), self.url + path]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"Requests/sec:\s+([\d.]+)", out)
        if "Non-2xx" in out or found is None:
            raise SystemExit(f"{path}: errors\n{out}")
        return float(found[1])

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait()


def build(db: Db) -> tuple[str, str, str]:
    """A variant with much stock, its place, and the API key of somebody who works there."""
    place = regions.add_location(db, name="Here")
    product = catalogue.add(db, title="Mug", status="published")
    variant = catalogue.add_variant(db, product.id, title="Blue")
    stock.set_level(db, variant, place.id, PIECES)
    clerk = users.add(db, email="clerk@example.com", roles=["staff"])
    _, secret = api_keys.make(db, clerk.id, name="till")
    return variant.id, place.id, secret


def script(folder: Path, name: str, body: dict[str, Any], **headers: str) -> Path:
    """A wrk script that posts a body."""
    lines = ['wrk.method = "POST"', f"wrk.body = '{json.dumps(body)}'"]
    lines += [f'wrk.headers["{k.replace("_", "-")}"] = "{v}"' for k, v in headers.items()]
    path = folder / f"{name}.lua"
    path.write_text("\n".join(lines))
    return path


def main() -> int:
    """Measures, checks and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = str(folder / "shop.db")
        store = connect(database)
        store.use("shop")
        variant, place, key = store.unit(build)
        store.close()
        task = script(
            folder, "task", {"description": "Written by the benchmark"}, Content_Type="application/json"
        )
        body = {"inventory_item_id": variant, "location_id": place, "quantity": 1}
        claim = script(folder, "claim", body, Content_Type="application/json", Authorization=f"Bearer {key}")
        servers = Server("task", str(folder / "task.db")), Server("shop", database)
        writes, claims = [], []
        for _ in range(options.rounds):
            writes.append(servers[0].wrk("/tasks", task, options.seconds))
            claims.append(servers[1].wrk("/admin/reservations", claim, options.seconds))
        with urllib.request.urlopen(servers[1].url + "/_check") as answer:
            sound = json.load(answer)["ok"]
        for server in servers:
            server.stop()
        again = connect(database)
        again.use("shop")
        level = again.read(reservation.stock, variant, place)
        again.close()
    a, b = statistics.median(writes), statistics.median(claims)
    sys.stdout.write(
        f"POST /tasks               {a:9,.0f}/s\nPOST /admin/reservations  {b:9,.0f}/s\n"
        f"ratio {b / a:.2f} (goal 0.6)\n{level.held:,} claims, {level.free:,} left, sound: {sound}\n"
    )
    return 0 if sound and level.held + level.free == PIECES else 1


if __name__ == "__main__":
    sys.exit(main())

"""The public conformance suite of UCP against `backendhub serve shop`.

    git clone https://github.com/Universal-Commerce-Protocol/conformance
    python -m venv suite && suite/bin/pip install ucp-sdk==0.1.0 absl-py httpx fastapi uvicorn
    python benchmarks/ucp_conformance.py conformance suite/bin/python

The suite's flower shop is loaded through the services, then each of its files runs by itself.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from backendhub.kit.db import Db, connect
from backendhub.systems.shop.service import catalogue, customers, promotions, regions, stock

SECRET = "a-secret-of-this-run"


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """A file of the suite's data."""
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def load(db: Db, folder: Path) -> None:
    """The flower shop."""
    regions.add(db, name="World", currency_code="USD", countries=["us", "ca"])
    place = regions.add_location(db, name="Shop")
    quantities = {r["product_id"]: int(r["quantity"]) for r in rows(folder, "inventory")}
    for r in rows(folder, "products"):
        product = catalogue.add(
            db, id=r["id"], handle_=r["id"], title=r["title"], status="published", images=[r["image_url"]]
        )
        variant = catalogue.add_variant(
            db, product.id, title="One", sku=r["id"], amounts=[("USD", int(r["price"]))]
        )
        stock.set_level(db, variant, place.id, quantities[r["id"]])
    for n, r in enumerate(rows(folder, "shipping_rates")):
        where = [] if r["country_code"] == "default" else [r["country_code"]]
        regions.add_shipping(
            db,
            id=r["id"],
            name=r["title"],
            code=r["service_level"],
            prices={"USD": int(r["price"])},
            countries=where,
            rank=n,
        )
    for r in rows(folder, "discounts"):
        about: dict[str, Any] = {"percent": r["value"]}
        if r["type"] != "percentage":
            about = {"amount": int(r["value"]), "currency_code": "USD"}
        kind = "percentage" if r["type"] == "percentage" else "fixed"
        promotions.add(db, code=r["code"], kind=kind, label=r["description"], **about)
    for r in rows(folder, "promotions"):
        promotions.add(
            db,
            code=r["id"],
            kind="free_shipping",
            automatic=True,
            min_subtotal=int(r["min_subtotal"] or 0),
            products=json.loads(r["eligible_item_ids"] or "[]"),
            label=r["description"],
        )
    for r in rows(folder, "customers"):
        first, _, last = r["name"].partition(" ")
        customers.add(db, id=r["id"], email=r["email"], first_name=first, last_name=last)
    for r in rows(folder, "addresses"):
        address = {
            "address_1": r["street_address"],
            "city": r["city"],
            "province": r["state"],
            "postal_code": r["postal_code"],
            "country_code": r["country"],
        }
        customers.add_address(db, r["customer_id"], address, id=r["id"])


def main(suite: Path, python: str) -> int:
    """Runs every file of the suite and prints what passed."""
    data = suite / "test_data" / "flower_shop"
    with tempfile.TemporaryDirectory() as folder:
        url = f"{folder}/shop.db"
        store = connect(url)
        store.use("shop")
        store.unit(load, data)
        store.close()
        server, address = serve(url)
        try:
            passed, failed = run(suite, python, address, data)
        finally:
            server.terminate()
            server.wait()
    sys.stdout.write(f"{passed} of {passed + len(failed)} pass\n" + "".join(f"fails: {f}\n" for f in failed))
    return 1 if len(failed) > 2 else 0


def serve(database: str) -> tuple[subprocess.Popen[str], str]:
    """A server of the flower shop, and its address."""
    env = os.environ | {
        "BACKENDHUB_DATABASE": database,
        "BACKENDHUB_SHOP_UCP_ADDRESS_BOOK": "true",
        "BACKENDHUB_FETCH_ALLOW": "localhost,127.0.0.1,::1",
    }
    command = [
        sys.executable,
        "-m",
        "backendhub",
        "serve",
        "shop",
        "--port",
        "0",
        "--simulation-secret",
        SECRET,
    ]
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if match := re.search(r"at (http://[\d.:]+)", line):
            break
    else:
        raise SystemExit("the server does not start")
    subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
    return server, match[1]


def run(suite: Path, python: str, address: str, data: Path) -> tuple[int, list[str]]:
    """How many tests passed, and the names of those that did not."""
    passed, failed = 0, []
    # Webhooks first: the other files leave orders whose agent does not listen, and what is sent to it again and again would
    # arrive in the middle of these.
    for file in sorted(suite.glob("*_test.py"), key=lambda f: (f.name != "webhook_test.py", f.name)):
        command = [
            python,
            str(file),
            f"--server_url={address}",
            f"--simulation_secret={SECRET}",
            f"--conformance_input={data / 'conformance_input.json'}",
            f"--test_data_dir={data}",
        ]
        done = subprocess.run(command, cwd=suite, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        if os.environ.get("VERBOSE"):
            sys.stdout.write(said)
        passed += len(re.findall(r"^\[       OK \]", said, re.M))
        failed += sorted(set(re.findall(r"^(?:FAIL|ERROR): (.*)$", said, re.M)))
    return passed, failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2]))

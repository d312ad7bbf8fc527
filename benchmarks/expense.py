"""What `backendhub expense` costs: prints CPU ratios against what its speed is judged by.

Run with the product installed: `python benchmarks/expense.py [--rows 100000] [--runs 15]`.

- `expense add` against `python -c "import typer, sqlite3"`, both into pipes
- `expense summary` against `hledger bal` on the same entries (skipped where hledger is not installed)
- `expense import` of a CSV file, wall-clock seconds
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHOPS = [
    "Aldi",
    "Uber trip",
    "Corner cafe",
    "City rent",
    "Book shop",
    "Pharmacy",
    "Cinema",
    "Shell",
    "Zorp",
    "IKEA",
]


def cpu(args: list[str], env: dict[str, str]) -> float:
    """CPU seconds (user and system) of one run into a pipe."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(args, env=env, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def compare(
    name: str, ours: list[str], theirs: list[str], env: dict[str, str], runs: int, limit: float
) -> None:
    """The least of interleaved runs each: noise only ever adds."""
    for args in (ours, theirs):
        cpu(args, env)
    pairs = [(cpu(ours, env), cpu(theirs, env)) for _ in range(runs)]
    a, b = min(p[0] for p in pairs), min(p[1] for p in pairs)
    print(f"{name}: {a * 1000:.1f} ms / {b * 1000:.1f} ms = {a / b:.2f} (at most {limit})")


def write_csv(path: Path, rows: int) -> None:
    """Believable entries of ten years, the same on every run."""
    pick = random.Random(1)
    with path.open("w") as file:
        file.write("date,description,amount\n")
        for number in range(rows):
            day = f"{2016 + number * 10 // rows}-{pick.randint(1, 12):02}-{pick.randint(1, 28):02}"
            file.write(
                f"{day},{pick.choice(SHOPS)} {pick.randint(1, 99)},{pick.randint(1, 99999) / 100:.2f}\n"
            )


def main() -> None:
    """Prints the three figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    hub = str(Path(sys.executable).parent / "backendhub")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        env = {
            k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE" and "BACKENDHUB" not in k
        }
        env |= {"BACKENDHUB_DATABASE": str(home / "add.db"), "LC_ALL": "C.UTF-8"}
        add = [hub, "expense", "add", "-d", "Lunch", "-a", "20"]
        base = [sys.executable, "-c", "import typer, sqlite3"]
        compare("expense add / import typer, sqlite3", add, base, env, options.runs, 1.25)

        env["BACKENDHUB_DATABASE"] = str(home / "big.db")
        write_csv(home / "bank.csv", options.rows)
        start, used = time.perf_counter(), cpu([hub, "expense", "import", str(home / "bank.csv")], env)
        spent = time.perf_counter() - start
        print(f"expense import of {options.rows:,} rows: {spent:.1f} s, {used:.1f} s CPU (at most 10 s)")
        start, used = time.perf_counter(), cpu([hub, "expense", "import", str(home / "bank.csv")], env)
        spent = time.perf_counter() - start
        print(f"expense import of the same again: {spent:.1f} s, {used:.1f} s CPU")

        add_big = [hub, "expense", "add", "-d", "Zorp zorp unheard", "-a", "20"]
        compare(f"expense add among {options.rows:,} / the same", add_big, base, env, options.runs, 1.25)

        hledger = shutil.which("hledger")
        if hledger is None:
            print("hledger is not installed: the summary was not compared")
            return
        with (home / "books.journal").open("w") as file:
            subprocess.run(
                [hub, "expense", "export", "--format", "hledger"], env=env, stdout=file, check=True
            )
        bal = [hledger, "-f", str(home / "books.journal"), "bal"]
        runs = min(options.runs, 5)
        for words in (["summary"], ["summary", "--by", "category"], ["summary", "--by", "month"]):
            name = f"expense {' '.join(words)} / hledger bal"
            compare(name, [hub, "expense", *words], bal, env, runs, 2.0)


if __name__ == "__main__":
    main()

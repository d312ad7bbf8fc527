#!/usr/bin/env python
"""CPU of `convert 5 km mi` and `guess stats` beside `python -c "import typer, sqlite3"`, in pairs.

    python benchmarks/convert_guess.py [RUNS]

Every figure is user plus system time of a finished child (getrusage), the ratio is the median of pairs run in turn.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

BASELINE = [sys.executable, "-c", "import typer, sqlite3"]
HUB = [os.path.join(os.path.dirname(sys.executable), "backendhub")]
LIMIT = 1.25


def cpu(command: list[str], env: dict[str, str]) -> float:
    """The CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Prints a line a command; 1 where a ratio is over the limit."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 25
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        env["BACKENDHUB_DATABASE"] = os.path.join(folder, "hub.db")
        game = [*HUB, "guess", "-d", "hard", "--once"]
        subprocess.run(game, env=env, input=b"50\n25\n75\n", stdout=subprocess.PIPE, check=False)
        for args in (["convert", "5", "km", "mi"], ["guess", "stats"]):
            cpu([*HUB, *args], env)
            cpu(BASELINE, env)
            pairs = [(cpu([*HUB, *args], env), cpu(BASELINE, env)) for _ in range(runs)]
            ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
            ratio = statistics.median(a / b for a, b in pairs)
            failed |= ratio > LIMIT
            print(
                f"{' '.join(args):<16}  {ours * 1000:6.1f} ms CPU   baseline {theirs * 1000:6.1f} ms   "
                f"ratio {ratio:.2f} (limit {LIMIT})"
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

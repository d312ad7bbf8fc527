"""What starting costs: python benchmarks/start_up.py [--runs 15]

CPU seconds (user + system) of whole processes, run in turn with `python -c "import typer, sqlite3"`; the median of
the pairs' ratios is what counts. Then the time from exec to the first answer of `serve`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BASE = [sys.executable, "-c", "import typer, sqlite3"]
PROGRAM = str(Path(sys.executable).parent / "backendhub")


def cpu(command: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_answer(args: list[str], path: str, env: dict[str, str]) -> float:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    start = time.perf_counter()
    process = subprocess.Popen(
        [PROGRAM, "serve", *args, "--port", str(port)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() - start < 30:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=5) as link,
            ):
                link.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                if link.recv(12) == b"HTTP/1.1 200":
                    return time.perf_counter() - start
            time.sleep(0.005)
        raise SystemExit("no answer")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    work = tempfile.mkdtemp()
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"BACKENDHUB_DATABASE": f"{work}/hub.db", "XDG_CONFIG_HOME": work}
    lines = "\n".join(f"Task number {n}" for n in range(1, 1001))
    subprocess.run(
        [PROGRAM, "task", "add", "-"], input=lines, text=True, env=env, stdout=subprocess.DEVNULL, check=True
    )
    commands = {
        "task list (1,000 tasks)": [PROGRAM, "task", "list"],
        "task add": [PROGRAM, "task", "add", "x"],
        "expense add": [PROGRAM, "expense", "add", "-d", "x", "-a", "5"],
        "convert 5 km mi": [PROGRAM, "convert", "5", "km", "mi"],
        "guess stats": [PROGRAM, "guess", "stats"],
        "--help": [PROGRAM, "--help"],
        "--version": [PROGRAM, "--version"],
    }
    print("CPU beside `python -c 'import typer, sqlite3'` (goal for each: ≤ 1.25)")
    for name, command in commands.items():
        cpu(command, env)
        pairs = [(cpu(command, env), cpu(BASE, env)) for _ in range(options.runs)]
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{name:<26} {ratio:.2f}   ({statistics.median(a for a, _ in pairs) * 1000:.0f} ms)")
    one = statistics.median(first_answer(["task"], "/tasks", env) for _ in range(5))
    every = statistics.median(first_answer([], "/livez", env) for _ in range(5))
    print(f"serve task, first answer    {one:.2f} s   (goal ≤ 1.2 s)")
    print(f"serve (all), first answer   {every:.2f} s   {every / one:.2f} × serve task (goal ≤ 1.5)")


if __name__ == "__main__":
    main()

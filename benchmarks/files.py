"""What keeping files costs: python benchmarks/files.py [--size 256] [--runs 3] [--folder DIR]

`hub.files` on a directory beside the tools that do the same by hand: an upload (written, hashed, synced, its rows
committed) beside `cp`, `sync` and `sha256sum`; a download beside `cat`, verified beside `sha256sum`; one over HTTP through
`serve` beside `python -m http.server`. MB/s, the median of the runs, each run in turn with its peer on content of its own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from backendhub.kit.files import File
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings

PROGRAM = str(Path(sys.executable).parent / "backendhub")


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def shell(command: str) -> None:
    subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.DEVNULL)


def fresh(path: Path, megabytes: int) -> Path:
    """Random content, in the page cache for both."""
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))
    shell(f"sync {path}; cat {path}")
    return path


def report(name: str, ours: list[float], theirs: list[float], size: int, peer: str) -> None:
    mine, other = (size * 1.048576 / statistics.median(times) for times in (ours, theirs))
    print(f"{name:<22} {mine:>8.0f} MB/s   {peer:<26} {other:>8.0f} MB/s   ratio {mine / other:.2f}")


def listening(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit("the server does not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def over_http(hub: Hub, place: Path, source: Path, runs: int, size: int) -> None:
    """curl reads the same content from `serve` and from Python's own server."""
    file = hub.files.put(source.open("rb"), owner="bench", name="big.bin")
    settings = hub.settings.flags
    ports = free_port(), free_port()
    serve = [PROGRAM, "serve", "todo", "--port", str(ports[0]), "--log-format", "none"]
    commands = [
        [*serve, "--database", settings["database"], "--files", settings["files"]],
        [
            sys.executable,
            "-m",
            "http.server",
            str(ports[1]),
            "--bind",
            "127.0.0.1",
            "--directory",
            str(place),
        ],
    ]
    quiet = subprocess.DEVNULL
    processes = [subprocess.Popen(c, stdout=quiet, stderr=quiet) for c in commands]
    try:
        for port in ports:
            listening(port)
        urls = (
            f"http://127.0.0.1:{ports[0]}{hub.files.url(file)}",
            f"http://127.0.0.1:{ports[1]}/{source.name}",
        )
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(runs):
            for url, kept in zip(urls, times, strict=True):
                kept.append(seconds(partial(shell, f"curl -sf -o /dev/null '{url}'")))
        report("download over HTTP", *times, size, "python -m http.server")
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
            process.wait()


def once(hub: Hub, place: Path, size: int, times: dict[str, tuple[list[float], list[float]]]) -> None:
    """One file in and out again on each side."""
    source, copy = fresh(place / "source", size), place / "copy"
    kept: list[File] = []
    with source.open("rb") as stream:
        times["in"][0].append(seconds(lambda: kept.append(hub.files.put(stream, owner="b", name="x"))))
    times["in"][1].append(seconds(lambda: shell(f"cp {source} {copy} && sync {copy} && sha256sum {copy}")))
    times["out"][0].append(seconds(lambda: [None for _ in hub.files.read(kept[0])]))
    times["out"][1].append(seconds(lambda: shell(f"cat {copy} > /dev/null")))
    times["verified"][0].append(seconds(lambda: [None for _ in hub.files.read(kept[0], verify=True)]))
    times["verified"][1].append(seconds(lambda: shell(f"sha256sum {copy}")))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=256, help="MiB of a file")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", default=None, help="where to work: both sides on one disk")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(dir=options.folder))
    hub = Hub(Settings({"database": str(place / "hub.db"), "files": str(place / "kept")}))
    times: dict[str, tuple[list[float], list[float]]] = {n: ([], []) for n in ("in", "out", "verified")}
    try:
        for _ in range(options.runs):
            once(hub, place, options.size, times)
        report("upload", *times["in"], options.size, "cp, sync, sha256sum")
        report("download", *times["out"], options.size, "cat")
        report("download, verified", *times["verified"], options.size, "sha256sum")
        over_http(hub, place, place / "source", options.runs, options.size)
        small = [os.urandom(10_000) for _ in range(300)]
        spent = seconds(lambda: [hub.files.put(data, owner="b", name="s") for data in small])
        again = seconds(lambda: [hub.files.put(data, owner="c", name="s") for data in small])
        print(f"files of 10 kB         {300 / spent:>8.0f} /s     known content {300 / again:>8.0f} /s")
    finally:
        hub.close()
        shutil.rmtree(place)


if __name__ == "__main__":
    main()

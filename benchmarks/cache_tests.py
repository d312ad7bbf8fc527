"""cache-tests against `cache-proxy`: python benchmarks/cache_tests.py DIRECTORY [--id TEST]

DIRECTORY is a checkout of github.com/http-tests/cache-tests (measured: b55b8bd) in which `npm install undici@7` was run.
Prints how many tests of each kind passed, and every other one with its reason. Node.js 20 or newer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUMMARY = """
import tests from '%(root)s/tests/index.mjs'
import { determineTestResult, resultTypes } from '%(root)s/test-engine/lib/results.mjs'
import fs from 'fs'
const results = JSON.parse(fs.readFileSync('%(results)s'))
const names = new Map(Object.entries(resultTypes).map(([k, v]) => [v, k]))
const total = {}, other = []
for (const suite of tests) for (const test of suite.tests) {
  if (test.browser_only) continue
  const kind = test.kind || 'required', found = names.get(determineTestResult(tests, test.id, results))
  total[kind] ??= {}; total[kind][found] = (total[kind][found] || 0) + 1
  if (kind !== 'check' && found !== 'pass') other.push(`${kind} ${found} ${test.id}: ${JSON.stringify(results[test.id])}`)
}
console.log(JSON.stringify(total)); console.log(other.join('\\n'))
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait(port: int) -> None:
    for _ in range(400):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--id", default="", help="one test, with what is sent and received")
    options = parser.parse_args()
    root = options.directory.absolute()
    server = (
        (root / "test-engine/server/server.mjs")
        .read_text()
        .replace("listen(port)", "listen(port, '127.0.0.1')")
    )
    local = root / "test-engine/server/local.mjs"  # upstream's listens on every interface
    local.write_text(server)
    with tempfile.TemporaryDirectory() as folder:
        origin, port = free_port(), free_port()
        given = {
            "protocol": "http",
            "port": str(origin),
            "base": f"http://127.0.0.1:{port}",
            "id": options.id,
        }
        env = (
            os.environ
            | {f"npm_config_{k}": v for k, v in given.items()}
            | {"npm_config_pidfile": f"{folder}/pid"}
        )
        env["npm_package_config_id"] = ""
        words = [
            "cache-proxy",
            "--origin",
            f"http://127.0.0.1:{origin}",
            "--port",
            str(port),
            "--disk",
            f"{folder}/disk",
        ]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running = [
            subprocess.Popen(["node", local], cwd=root, env=env, **quiet),  # type: ignore[call-overload]
            subprocess.Popen([sys.executable, "-m", "backendhub", *words, "--log-format", "none"], **quiet),  # type: ignore[call-overload]
        ]
        try:
            wait(origin)
            wait(port)
            command = ["node", "--no-warnings", "test-engine/cli.mjs"]
            done = subprocess.run(
                command, cwd=root, env=env, capture_output=True, text=True, timeout=900, check=False
            )
        finally:
            for process in running:
                process.terminate()
                process.wait(20)
            local.unlink()
        if options.id:
            print(done.stdout)
            return
        json.loads(done.stdout)
        (Path(folder) / "results.json").write_text(done.stdout)
        (Path(folder) / "summary.mjs").write_text(
            SUMMARY % {"root": root, "results": f"{folder}/results.json"}
        )
        subprocess.run(["node", f"{folder}/summary.mjs"], check=True)


if __name__ == "__main__":
    main()

"""The second decoder restores byte for byte where backendhub cannot be imported."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.systems.backup.repository.keys import new_identity
from backendhub.systems.backup.repository.repo import Policy, Repository

New = Callable[..., Repository]
DECODER = Path(__file__).parents[4] / "docs/restore_standalone.py"
BLOCKED = (
    "import sys, runpy\n"
    "class Block:\n"
    "    def find_spec(self, name, *_):\n"
    "        if name.partition('.')[0] == 'backendhub': raise ImportError('backendhub is not here')\n"
    "sys.meta_path.insert(0, Block())\n"
    "try: import backendhub\n"
    "except ImportError: pass\n"
    "else: sys.exit('backendhub could be imported')\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def _decode(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", BLOCKED, str(DECODER), *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _restored(folder: Path) -> dict[str, bytes]:
    streams = json.loads((folder / "meta.json").read_text())["streams"]
    return {s["name"]: (folder / f"stream-{n}").read_bytes() for n, s in enumerate(streams)}


def test_every_snapshot_comes_back(local_url: str, new: New, kit: SimpleNamespace, tmp_path: Path) -> None:
    repo = new(local_url)
    pages, states = kit.pages(600), {}
    for n in range(4):
        streams = {"m.pages": pages, "dump": kit.text(3000 + n), "empty": b""}
        states[kit.save(repo, streams).id] = streams
        pages = kit.touch(pages, random.Random(n).sample(range(600), 250))
    repo.forget(Policy(last=2))
    assert repo.prune(grace=timedelta(0)).repacked  # moved chunks are part of the format, too
    listed = _decode(local_url, PASSPHRASE="pw")
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == 2
    for snapshot in repo.snapshots():
        out = tmp_path / snapshot.id
        done = _decode(local_url, snapshot.id[:8], str(out), PASSPHRASE="pw")
        assert done.returncode == 0, done.stderr
        assert _restored(out) == states[snapshot.id]


def test_with_an_identity(local_url: str, new: New, kit: SimpleNamespace, tmp_path: Path) -> None:
    identity, recipient = new_identity()
    repo = new(local_url, passphrase=None, recipients=[recipient])
    kit.save(repo, {"a": b"written by a host that cannot read"})
    done = _decode(local_url, "latest", str(tmp_path / "out"), AGE_IDENTITY=identity)
    assert done.returncode == 0, done.stderr
    assert _restored(tmp_path / "out") == {"a": b"written by a host that cannot read"}


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_damage_gives_no_output_under_the_final_name(
    local_url: str, new: New, kit: SimpleNamespace, tmp_path: Path, share: float
) -> None:
    kit.save(new(local_url), {"m.pages": kit.pages(500)})
    (pack,) = [p for p in Path(local_url, "packs").rglob("*") if p.is_file()]
    data = bytearray(pack.read_bytes())
    data[int(len(data) * share)] ^= 1
    pack.write_bytes(data)
    done = _decode(local_url, "latest", str(tmp_path / "out"), PASSPHRASE="pw")
    assert done.returncode != 0
    assert "does not match" in done.stderr or "do not match" in done.stderr
    assert not (tmp_path / "out/stream-0").exists()


def test_a_wrong_passphrase(local_url: str, new: New) -> None:
    new(local_url)
    done = _decode(local_url, PASSPHRASE="wrong")
    assert done.returncode == 1
    assert "passphrase opens none" in done.stderr

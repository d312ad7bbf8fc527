"""One contract for all back-ends, then what is particular to a directory or a bucket."""

from __future__ import annotations

import errno
import http.server
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from backendhub.systems.backup.models import CORRUPT, NO_REPOSITORY, STORAGE, BackupError
from backendhub.systems.backup.repository.backend import Backend, Entry, Missing, open_backend
from backendhub.systems.backup.repository.local import LocalBackend


@pytest.fixture
def backend(url: str) -> Iterator[Backend]:
    backend = open_backend(url, create=True)
    yield backend
    backend.close()


def test_an_object_comes_back_whole(backend: Backend) -> None:
    backend.put("packs/ab/one", [b"first ", memoryview(b"second"), bytearray(b"!")])
    assert backend.get("packs/ab/one") == b"first second!"
    assert backend.stat("packs/ab/one") == 13


def test_storing_the_same_again_is_fine(backend: Backend) -> None:
    backend.put("a/x", [b"same"])
    backend.put("a/x", [b"same"])
    assert backend.get("a/x") == b"same"


def test_create_takes_a_name_only_once(backend: Backend) -> None:
    assert backend.create("snaps/a", b"mine")
    assert not backend.create("snaps/a", b"yours")
    assert backend.get("snaps/a") == b"mine"


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 3, b"012"), (4, 2, b"45"), (8, 100, b"89"), (10, 5, b""), (50, 5, b""), (3, 0, b"")],
)
def test_ranges_end_where_the_object_ends(backend: Backend, start: int, length: int, expected: bytes) -> None:
    backend.put("r/x", [b"0123456789"])
    assert backend.get_range("r/x", start, length) == expected


def test_a_list_is_recursive_sorted_and_only_of_its_directory(backend: Backend) -> None:
    for name in ("packs/b/2", "packs/a/1", "packs/c", "packsx/no", "other"):
        backend.put(name, [name.encode()])
    assert list(backend.list("packs")) == [Entry("packs/a/1", 9), Entry("packs/b/2", 9), Entry("packs/c", 7)]
    assert list(backend.list("nothing")) == []


def test_deleting_is_final_and_may_be_repeated(backend: Backend) -> None:
    backend.put("d/x", [b"1"])
    backend.delete("d/x")
    backend.delete("d/x")
    assert backend.stat("d/x") is None


def test_what_is_missing_is_said_to_be(backend: Backend) -> None:
    for ask in (lambda: backend.get("no/such"), lambda: backend.get_range("no/such", 0, 5)):
        with pytest.raises(Missing, match="no/such") as e:
            ask()
        assert e.value.exit_code == CORRUPT


def test_an_object_larger_than_allowed_is_not_read(backend: Backend) -> None:
    backend.put("big", [bytes(5000)])
    with pytest.raises(BackupError) as e:
        backend.get("big", limit=4999)
    assert e.value.exit_code == CORRUPT


def test_names_with_odd_characters(backend: Backend) -> None:
    name = "snaps/%22quoted%22%2E%2E%2Fx/1-%F0%9F%90%98"
    backend.put(name, [b"odd"])
    assert backend.get(name) == b"odd"
    assert [e.name for e in backend.list("snaps")] == [name]


# ── a directory


def test_modes_are_private(local_url: str) -> None:
    backend = LocalBackend(local_url, create=True)
    backend.put("packs/ab/x", [b"1"])
    for path in [Path(local_url), *Path(local_url).rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_everything_is_synced_before_and_after_the_rename(
    local_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = LocalBackend(local_url, create=True)
    backend.put("packs/warm", [b"0"])
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def watched_fsync(fd: int) -> None:
        calls.append("dir" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        fsync(fd)

    def watched_replace(*args: object, **kwargs: object) -> None:
        calls.append("rename")
        replace(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    backend.put("packs/x", [b"1"])
    assert calls == ["file", "rename", "dir"]


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(BackupError) as e:
        LocalBackend(str(tmp_path / "none"))
    assert e.value.exit_code == NO_REPOSITORY


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", "a//b", "", "a/./b", "a\0b"])
def test_names_that_would_leave_the_directory(local_url: str, name: str) -> None:
    backend = LocalBackend(local_url, create=True)
    for act in (lambda: backend.put(name, [b"1"]), lambda: backend.get(name), lambda: backend.delete(name)):
        with pytest.raises(BackupError):
            act()


def test_links_are_never_followed(local_url: str, tmp_path: Path) -> None:
    backend = LocalBackend(local_url, create=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    backend.put("packs/ab/x", [b"1"])
    (Path(local_url) / "packs/ab/link").symlink_to(outside / "secret")
    (Path(local_url) / "packs/cd").symlink_to(outside)
    for act in (
        lambda: backend.get("packs/ab/link"),
        lambda: backend.get("packs/cd/secret"),
        lambda: backend.put("packs/cd/new", [b"1"]),
        lambda: backend.delete("packs/cd/secret"),
    ):
        with pytest.raises(BackupError, match="symbolic link") as e:
            act()
        assert e.value.exit_code == STORAGE
    assert sorted(p.name for p in outside.iterdir()) == ["secret"]


def test_a_planted_link_under_a_new_name_is_replaced_not_followed(local_url: str, tmp_path: Path) -> None:
    backend = LocalBackend(local_url, create=True)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    backend.put("packs/warm", [b"0"])
    (Path(local_url) / "packs/x").symlink_to(victim)
    backend.put("packs/x", [b"pack"])
    assert victim.read_text() == "untouched"
    assert backend.get("packs/x") == b"pack"


def test_a_repository_that_is_itself_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(BackupError, match="symbolic link"):
        LocalBackend(str(tmp_path / "link"))


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ESTALE, errno.EDQUOT, errno.ENOSPC])
def test_errors_of_the_system_name_path_and_user(
    local_url: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    backend = LocalBackend(local_url, create=True)

    def refuse(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(BackupError) as e:
        backend.put("packs/x", [b"1"])
    monkeypatch.undo()
    assert e.value.exit_code == STORAGE
    assert local_url in e.value.message
    assert f"uid {os.getuid()}" in e.value.message
    assert list(backend.list("tmp")) == []


def test_half_written_files_of_the_dead_are_swept_those_of_the_living_are_not(local_url: str) -> None:
    import fcntl

    backend = LocalBackend(local_url, create=True)
    (Path(local_url) / "tmp").mkdir(mode=0o700)
    dead, alive = Path(local_url) / "tmp/1-dead", Path(local_url) / "tmp/2-alive"
    dead.write_bytes(b"half")
    alive.write_bytes(b"half")
    with alive.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert backend.sweep() == 1
    assert not dead.exists()
    assert alive.exists()


# ── a bucket


class _Refusing(http.server.BaseHTTPRequestHandler):
    code = 500
    seen = 0

    def _answer(self) -> None:
        type(self).seen += 1
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _answer

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(("code", "retried"), [(403, False), (500, True), (503, True)])
def test_a_store_that_refuses_is_exit_30(
    s3_url: str, monkeypatch: pytest.MonkeyPatch, code: int, retried: bool
) -> None:
    from backendhub.systems.backup.repository.objects import ObjectBackend

    handler = type("Handler", (_Refusing,), {"code": code, "seen": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    backend = ObjectBackend(s3_url, retry_seconds=0.5)
    with pytest.raises(BackupError) as e:
        backend.put("packs/x", [b"1"])
    server.shutdown()
    server.server_close()
    assert e.value.exit_code == STORAGE
    assert s3_url in e.value.message
    assert (handler.seen > 1) is retried


def test_a_store_that_never_answers_is_given_up(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    from backendhub.systems.backup.repository.objects import ObjectBackend

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        backend = ObjectBackend(s3_url, retry_seconds=0.3)
        with pytest.raises(BackupError) as e:
            backend.put("packs/x", [b"1"])
    assert e.value.exit_code == STORAGE


def test_a_bucket_that_does_not_exist(s3_url: str) -> None:
    from backendhub.systems.backup.repository.objects import ObjectBackend

    backend = ObjectBackend("s3://there-is-none/x", retry_seconds=0.5)
    with pytest.raises(BackupError) as e:
        backend.put("packs/x", [b"1"])
    assert e.value.exit_code in (STORAGE, CORRUPT)


def test_a_scheme_nobody_knows() -> None:
    with pytest.raises(BackupError, match="ftp"):
        open_backend("ftp://x/y")


def test_a_sweep_between_open_and_lock_costs_no_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prune beside a backup may take a file that was just made for a dead writer's."""
    from backendhub.systems.backup.repository import local, locks
    from backendhub.systems.backup.repository.backend import open_backend

    backend = open_backend(str(tmp_path / "repository"), create=True)
    real, swept = locks.try_lock, []

    def late(fd: int, *, shared: bool = False) -> bool:
        if not swept:
            swept.append(1)
            for file in (tmp_path / "repository" / "tmp").iterdir():
                file.unlink()
        return real(fd, shared=shared)

    monkeypatch.setattr(local.locks, "try_lock", late)
    backend.put("packs/ab/abc", [b"data"])
    assert backend.get("packs/ab/abc") == b"data" and swept
    assert list((tmp_path / "repository" / "tmp").iterdir()) == []
    backend.close()

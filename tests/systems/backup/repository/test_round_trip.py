"""What goes in comes out, for every kind of stream, type of run and range."""

from __future__ import annotations

import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from backendhub.kit import clock
from backendhub.kit.errors import Invalid, NotFound
from backendhub.systems.backup.models import LOCK_BUSY, SOURCE_FAILED, BackupError, Dump, Type
from backendhub.systems.backup.repository.repo import Repository

New = Callable[..., Repository]


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_every_kind_of_stream_on_every_storage(url: str, new: New, kit: SimpleNamespace) -> None:
    streams = {
        "main.pages": kit.pages(700) + b"odd tail",
        "dump": kit.text(40_000),
        "base.tar": _tar({"PG_VERSION": b"15\n", "base/1": kit.pages(30), "base/2": kit.pages(9, 2)}),
        "not really a.tar": kit.text(2000),
        "empty": b"",
        "empty.pages": b"",
        "empty.tar": b"",
        "tiny": b"x",
    }
    repo = new(url)
    for type in (Type.FULL, Type.INCR, Type.DIFF):
        snapshot = kit.save(repo, streams, type=type, engine="test")
        assert kit.load(repo, snapshot) == streams
        assert snapshot.bytes == sum(map(len, streams.values()))
        assert snapshot.facts == {"engine": "test"}
    source = repo.source(snapshot)
    assert source.meta == {"streams": list(streams)}
    assert source.names() == list(streams)
    assert [s.seq for s in repo.snapshots("db")] == [1, 2, 3]
    assert repo.verify(read_data=True).findings == []


@pytest.mark.parametrize("block", [1, 7, 4096, 1 << 20])
def test_the_size_of_writes_does_not_matter(
    local_url: str, new: New, kit: SimpleNamespace, block: int
) -> None:
    streams = {"a.pages": kit.pages(5), "b": kit.text(200), "c.tar": _tar({"x": kit.pages(3)})}
    repo = new(local_url)
    kit.save(repo, streams)
    again = kit.save(repo, streams, block=block)
    assert kit.load(repo, again) == streams
    assert again.added < 5000


@pytest.mark.parametrize("page_size", [512, 1024, 2048, 4096, 8192, 65536])
def test_every_page_size(local_url: str, new: New, page_size: int) -> None:
    data = random.Random(page_size).randbytes(page_size * 37)
    repo = new(local_url)
    with repo.backup("db") as run:
        with run.stream("main", kind="pages", page_size=page_size) as writer:
            for at in range(0, len(data), page_size):
                writer.write(memoryview(data)[at : at + page_size])
            assert writer.offset == len(data)
        snapshot = run.commit(Dump(meta={}))
    with repo.source(snapshot).open("main") as reader:
        assert reader.read() == data


def test_ranges_read_what_a_slice_would(local_url: str, new: New, kit: SimpleNamespace) -> None:
    streams = {"m.pages": kit.pages(3000), "dump": kit.text(60_000)}
    repo = new(local_url)
    source = repo.source(kit.save(repo, streams))
    rnd = random.Random(3)
    for name, data in streams.items():
        for start, length in [(0, 0), (len(data), 0), (0, 1), (len(data) - 1, 1)] + [
            (start := rnd.randrange(len(data)), rnd.randrange(len(data) - start)) for _ in range(30)
        ]:
            with source.open(name, start=start, length=length) as reader:
                assert reader.read() == data[start : start + length]
        with source.open(name, start=5) as reader:
            assert reader.read(10) == data[5:15]
            assert reader.read(7) == data[15:22]


def test_a_range_fetches_only_its_frames(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    data = random.Random(1).randbytes(12 << 20)
    source = repo.source(kit.save(repo, {"m.pages": data}))
    with source.open("m.pages", start=6 << 20, length=100) as reader:
        assert reader.read() == data[6 << 20 :][:100]
    assert source.frames.fetched < 2_500_000  # one frame of data, one of the map


def test_a_range_outside(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    source = repo.source(kit.save(repo, {"a": b"12345"}))
    for start, length in ((6, None), (-1, None), (0, 6), (2, 4), (0, -1)):
        with pytest.raises(Invalid), source.open("a", start=start, length=length):
            pass
    with pytest.raises(NotFound), source.open("b"):
        pass


def test_an_unchanged_source_costs_next_to_nothing(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    streams = {"m.pages": kit.pages(9000), "dump": kit.text(30_000)}
    kit.save(repo, streams)
    assert kit.save(repo, streams).added < 2500


def test_scattered_pages_cost_what_they_hold(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    data = kit.pages(10_000)
    full = kit.save(repo, {"m.pages": data})
    changed = kit.touch(data, random.Random(1).sample(range(10_000), 100))
    incr = kit.save(repo, {"m.pages": changed})
    assert incr.added < full.added * 0.013
    assert kit.load(repo, incr) == {"m.pages": changed}


def test_rows_inserted_into_a_dump_cost_little(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    data = kit.text(200_000)
    full = kit.save(repo, {"d": data})
    changed = data[:1_000_000] + b"INSERT INTO t VALUES ('new');\n" * 3 + data[1_000_100:]
    incr = kit.save(repo, {"d": changed})
    assert incr.added < full.added * 0.02
    assert kit.load(repo, incr) == {"d": changed}


def test_a_member_that_grows_does_not_shift_the_others(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    files = {f"base/{n}": kit.pages(100, n) for n in range(8)}
    full = kit.save(repo, {"b.tar": _tar(files)})
    files["base/0"] += b"one more" * 64
    incr = kit.save(repo, {"b.tar": _tar(files)})
    assert incr.added < full.added * 0.05


def test_a_full_reuses_nothing_older_and_a_diff_only_the_full(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    first = kit.pages(2000)
    full = kit.save(repo, {"m.pages": first}, type=Type.FULL)
    second = kit.touch(first, list(range(0, 2000, 10)))
    incr = kit.save(repo, {"m.pages": second}, type=Type.INCR)
    again = kit.save(repo, {"m.pages": second}, type=Type.INCR)
    diff = kit.save(repo, {"m.pages": second}, type=Type.DIFF)
    full_again = kit.save(repo, {"m.pages": second}, type=Type.FULL)
    assert again.added < 2000 < incr.added
    assert diff.added == pytest.approx(incr.added, rel=0.1)
    assert full_again.added == pytest.approx(full.added, rel=0.1)
    assert not set(full_again.packs) & {p for s in (full, incr, again, diff) for p in s.packs}
    assert not set(diff.packs) & (set(incr.packs) - set(full.packs))


def test_the_first_run_is_a_full_one_whatever_was_asked(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    assert kit.save(repo, {"a": b"1"}, type=Type.DIFF).type is Type.FULL
    assert kit.save(repo, {"a": b"1"}, type=Type.INCR).type is Type.INCR


def test_deleting_one_snapshot_never_breaks_another(local_url: str, new: New, kit: SimpleNamespace) -> None:
    from datetime import timedelta

    repo = new(local_url)
    data, states = kit.pages(500), {}
    for n in range(6):
        states[kit.save(repo, {"m.pages": data}).id] = data
        data = kit.touch(data, list(range(n, 500, 7)))
    for doomed in ("1", "4"):
        repo.remove(repo.find(doomed, "db"))
        repo.prune(grace=timedelta(0))
    for snapshot in repo.snapshots():
        assert kit.load(repo, snapshot) == {"m.pages": states[snapshot.id]}
    assert len(repo.snapshots()) == 4


@pytest.mark.parametrize(
    "target", ["hub", "../../etc", "--help", 'o\'hara "x"', "new\nline", "🐘 über", "a/b", ".", "CON"]
)
def test_hostile_names_of_targets(local_url: str, new: New, kit: SimpleNamespace, target: str) -> None:
    repo = new(local_url)
    kit.save(repo, {target: b"data"}, target=target)
    assert [s.target for s in repo.snapshots()] == [target]
    assert kit.load(repo, repo.find("latest", target)) == {target: b"data"}
    repo.put_log(target, "w;rm -rf", io.BytesIO(b"log"))
    assert [log.name for log in repo.logs(target)] == ["w;rm -rf"]
    outside = {p.name for p in Path(local_url).parent.iterdir()}
    assert outside == {"repository", "cache"}


def test_leaving_without_commit_leaves_no_snapshot_but_reusable_packs(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    kit.save(repo, {"a": b"first"})
    data = random.Random(1).randbytes(40 << 20)
    with pytest.raises(KeyError), repo.backup("db") as run, run.stream("m") as writer:
        writer.write(data)
        raise KeyError
    assert len(repo.snapshots()) == 1
    assert kit.save(repo, {"m": data}).added < 20 << 20  # two packs were stored before the failure
    assert repo.verify(read_data=True).findings == []


def test_a_stream_that_failed_cannot_be_committed(local_url: str, new: New) -> None:
    repo = new(local_url)
    with repo.backup("db") as run:
        with pytest.raises(OSError), run.stream("m") as writer:
            writer.write(b"half")
            raise OSError
        with pytest.raises(BackupError) as e:
            run.commit(Dump(meta={}))
        assert e.value.exit_code == SOURCE_FAILED
    assert repo.snapshots() == []


def test_streams_have_one_name_and_one_turn_each(local_url: str, new: New) -> None:
    with new(local_url).backup("db") as run:
        with run.stream("a") as writer:
            writer.write(b"1")
            with pytest.raises(Invalid), run.stream("b"):
                pass
        with pytest.raises(Invalid), run.stream("a"):
            pass


def test_two_runs_of_one_target(url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(url)
    with repo.backup("db"):
        assert "pid" in (repo.lock_holder("db") or {})
        with pytest.raises(BackupError, match="in use by process") as e, repo.backup("db"):
            pass
        assert e.value.exit_code == LOCK_BUSY
        kit.save(repo, {"a": b"1"}, target="another")
    assert repo.lock_holder("db") is None
    kit.save(repo, {"a": b"1"})


def test_snapshots_are_ordered_by_number_when_the_clock_jumps(
    local_url: str, new: New, kit: SimpleNamespace
) -> None:
    repo = new(local_url)
    for moment in ("2026-05-01T00:00", "2025-05-01T00:00", "2027-01-01T00:00"):
        with clock.frozen(moment):
            kit.save(repo, {"a": moment.encode()})
    assert [s.time.year for s in repo.snapshots()] == [2026, 2025, 2027]
    with clock.frozen("2024-01-01"):
        kit.save(repo, {"a": b"last"})
    assert kit.load(repo, repo.find("latest")) == {"a": b"last"}


def test_marks_are_kept_beside_the_snapshot(url: str, new: New, kit: SimpleNamespace, cache: Path) -> None:
    repo = new(url)
    snapshot = kit.save(repo, {"a": b"1"})
    repo.mark(snapshot, drilled=True, rows=17)
    assert repo.mark(snapshot, quarantined="malformed").quarantined == "malformed"
    again = Repository.open(url, passphrase="pw", cache_dir=cache / "elsewhere")
    (found,) = again.snapshots()
    assert found.drilled is not None
    assert found.quarantined == "malformed"
    assert not found.good
    assert any(note.get("rows") == 17 for note in found.notes)


def test_progress_is_told(local_url: str, new: New, kit: SimpleNamespace) -> None:
    repo = new(local_url)
    told: list[tuple[str, int]] = []
    data = kit.pages(2000)
    with repo.backup("db", progress=lambda *a: told.append(a)) as run, run.stream("m") as writer:
        writer.write(data)
    assert told[-1] == ("read", len(data))

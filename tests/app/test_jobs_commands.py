"""`backendhub jobs` and `backendhub webhook`, as they are typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import jobs, outbox
from backendhub.kit.db import connect
from backendhub.kit.jobs import queue

Run = Callable[..., Any]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """The store that the commands use."""
    opened = connect(str(tmp_path / "data" / "backendhub" / "hub.db"))
    opened.use("outbox")
    yield opened
    opened.close()


def rows(ran: Any) -> list[Any]:
    assert (ran.code, ran.err) == (0, "")
    return list(json.loads(ran.out))


def test_a_job_from_the_terminal(cli: Run, store: Any) -> None:
    assert (
        cli("jobs", "add", "blog.publish", "post_id=7", "word=x", "--queue", "slow").out
        == "Job 1 is ready.\n"
    )
    assert cli("jobs", "add", "blog.publish", "--at", "2099-01-01T00:00Z").out == "Job 2 is scheduled.\n"
    listed = rows(cli("jobs", "list", "--json"))
    assert [(r["id"], r["state"], r["queue"]) for r in listed] == [
        (2, "scheduled", "default"),
        (1, "ready", "slow"),
    ]
    assert json.loads(cli("jobs", "show", "1", "--json").out)["payload"] == {"post_id": 7, "word": "x"}
    assert rows(cli("jobs", "cancel", "1-2", "--json"))[0]["state"] == "cancelled"
    assert rows(cli("jobs", "list", "--state", "cancelled", "--name", "blog.publish", "--json"))[1]["id"] == 1
    assert rows(cli("jobs", "retry", "1", "--json"))[0]["state"] == "ready"
    assert cli("jobs", "remove", "2").out == "Removed 1.\n"


def test_dead_jobs(cli: Run, store: Any) -> None:
    assert "No job is dead." in cli("jobs", "dead", tty=True).err
    for n in range(2):
        store.unit(jobs.enqueue, "blog.publish", n=n)
    for job in store.unit(queue.claim, "default", limit=9, worker="w", lease=60):
        store.unit(queue.fail, job, "Traceback\n  …\nValueError: no", None)
    assert [r["error"] for r in rows(cli("jobs", "dead", "--json"))] == ["ValueError: no"] * 2
    assert [r["state"] for r in rows(cli("jobs", "retry", "--dead", "--json"))] == ["ready"] * 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("jobs", "show", "9"), 3, "no job 9"),
        (("jobs", "cancel", "9"), 3, "no job 9"),
        (("jobs", "retry"), 2, "Name jobs, or say --dead"),
        (("jobs", "cancel"), 2, "Name jobs"),
        (("jobs", "remove"), 2, "Name jobs"),
        (("jobs", "list", "--state", "odd"), 2, "no state 'odd'"),
        (("jobs", "add", "publish"), 2, "no name of a job"),
        (("jobs", "add", "a.b", "seven"), 2, "no KEY=VALUE"),
        (("jobs", "add", "a.b", "--at", "soon"), 2, "no time"),
        (("webhook", "log", "x"), 3, "no webhook x"),
        (("webhook", "add", "http://127.0.0.1/"), 2, ""),
        (("webhook", "add", "https://example.org", "--topic", "*.x"), 2, "names no topics"),
        (("webhook", "replay", "x"), 2, "--event or --since"),
        (("webhook", "replay", "x", "--since", "soon"), 2, "no time"),
        (("webhook", "replay", "x", "--event", "4"), 3, "no event 4"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    cli: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = cli(*words)
    assert ran.code == code
    assert said in ran.err and "Traceback" not in ran.err


def test_run_once_runs_what_is_due(process: Run, store: Any) -> None:
    id = store.unit(jobs.enqueue, "nobody.knows")
    ran = process("jobs", "run", "--once")
    assert (ran.code, ran.out) == (0, "Ran 1.\n")
    assert store.read(jobs.get, id).state == "scheduled"
    assert process("jobs", "run", "--once").out == "Ran 0.\n"


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_well_when_it_is_told_to(command: list[str], store: Any, number: int) -> None:
    running = subprocess.Popen([*command, "jobs", "run"], stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    assert "Ctrl-C" in running.stderr.readline()
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, "")


def test_a_webhook_from_the_terminal(cli: Run, store: Any) -> None:
    made = cli("webhook", "add", "https://example.org/hook", "--topic", "order.*", "--note", "ERP", "--json")
    about = json.loads(made.out)
    id, secret = about["id"], about["secret"]
    assert secret.startswith("whsec_")
    (listed,) = rows(cli("webhook", "list", "--json"))
    assert (listed["topics"], listed["enabled"], "secret" in listed) == ("order.*", True, False)
    assert cli("webhook", "secret", id).out.strip() == secret
    assert cli("webhook", "rotate", id).out.strip() != secret
    store.unit(lambda db: outbox.publish(db, "order.paid", {"n": 1}))
    (event,) = rows(cli("webhook", "events", "--json"))
    assert event["topic"] == "order.paid"
    assert cli("webhook", "replay", id, "--event", str(event["id"])).out == "1 will be sent.\n"
    assert cli("webhook", "replay", id, "--since", "24h").out == "0 will be sent.\n"  # not handed on yet
    assert rows(cli("webhook", "log", id, "--json")) == []
    assert "told of nothing" in cli("webhook", "disable", id, "--reason", "moving").out
    assert rows(cli("webhook", "list", "--json"))[0]["reason"] == "moving"
    assert "told of events again" in cli("webhook", "enable", id).out
    assert cli("webhook", "remove", id).code == 0
    assert rows(cli("webhook", "list", "--json")) == []

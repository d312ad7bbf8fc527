"""Scheduling: what is printed, what is written, and that nothing else is touched."""

from __future__ import annotations

import plistlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import HubError
from backendhub.systems.backup import schedule

Run = Callable[..., Any]
OTHERS = "MAILTO=ops@example.org\n# mine\n5 4 * * * /usr/bin/mine 100\\%\n"


def test_cron_is_printed_and_nothing_is_touched(cli: Run, crontab: Path) -> None:
    ran = cli("backup", "schedule", "cron")
    assert ran.code == 0
    first, line, last = ran.out.splitlines()
    assert (first, last) == (schedule.BEGIN, schedule.END)
    assert line.startswith("*/15 * * * * ") and line.endswith(" backup run --due --quiet")
    assert Path(shlex.split(line[len("*/15 * * * * ") :])[0]).is_absolute()
    assert not crontab.exists()


def test_cron_install_and_remove_leave_the_rest_alone(cli: Run, crontab: Path) -> None:
    crontab.write_text(OTHERS)
    assert cli("backup", "schedule", "cron", "--install").code == 0
    once = crontab.read_text()
    assert once.startswith(OTHERS) and once.count("run --due") == 1
    assert cli("backup", "schedule", "cron", "--install", "--every", "5").code == 0
    assert crontab.read_text().count("run --due") == 1 and "*/5 * * * * " in crontab.read_text()
    assert cli("backup", "schedule", "cron", "--remove").code == 0
    assert crontab.read_text() == OTHERS
    assert "nothing of ours" in cli("backup", "schedule", "cron", "--remove").out


def test_cron_without_a_crontab_yet(cli: Run, crontab: Path) -> None:
    assert cli("backup", "schedule", "cron", "--install").code == 0
    assert crontab.read_text().startswith(schedule.BEGIN)


def test_an_unreadable_or_broken_crontab_is_not_overwritten(cli: Run, crontab: Path, tmp_path: Path) -> None:
    crontab.write_text(OTHERS + schedule.BEGIN + "\n")
    ran = cli("backup", "schedule", "cron", "--install")
    assert ran.code == 2 and crontab.read_text() == OTHERS + schedule.BEGIN + "\n"
    crontab.write_text(OTHERS)
    fake = tmp_path / "bin" / "crontab"
    fake.write_text(f'#!/bin/sh\n[ "$1" = -l ] && {{ echo "disk error" >&2; exit 1; }}\ncat > "{crontab}"\n')
    ran = cli("backup", "schedule", "cron", "--install")
    assert ran.code == 1 and "disk error" in ran.err
    assert crontab.read_text() == OTHERS


def test_the_line_of_cron_runs(cli: Run, process: Run, tmp_path: Path) -> None:
    import subprocess

    cli("backup", "init")
    odd = tmp_path / "with space % and 'quotes'.db"
    text = schedule.plan("cron", database=str(odd)).text.splitlines()[1]
    line = text.split(" ", 5)[5].replace(r"\%", "%")  # what cron hands to the shell
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert odd.exists()


def test_systemd_units(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls"
    fake = tmp_path / "bin" / "systemctl"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> "{calls}"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    ran = cli("backup", "schedule", "systemd")
    assert "Persistent=true" in ran.out and "OnCalendar=*:0/15" in ran.out and not calls.exists()
    assert cli("backup", "schedule", "systemd", "--install").code == 0
    folder = tmp_path / "config" / "systemd" / "user"
    assert sorted(p.name for p in folder.iterdir()) == [
        "backendhub-backup.service",
        "backendhub-backup.timer",
    ]
    assert "enable --now backendhub-backup.timer" in calls.read_text()
    assert cli("backup", "schedule", "systemd", "--remove").code == 0
    assert list(folder.iterdir()) == []


def test_systemd_quotes_what_is_special_to_it() -> None:
    made = schedule.Systemd(["/opt/a b/backendhub", "--db", 'x%y"$z\\'], 15)
    line = next(t for t in made.files["backendhub-backup.service"].splitlines() if t.startswith("ExecStart="))
    assert line == r'ExecStart="/opt/a b/backendhub" "--db" "x%%y\"$$z\\"'


def test_launchd_and_windows(cli: Run, tmp_path: Path) -> None:
    plist = plistlib.loads(cli("backup", "schedule", "launchd").out.encode())
    assert plist["StartInterval"] == 900 and plist["ProgramArguments"][-3:] == ["run", "--due", "--quiet"]
    out = cli("backup", "schedule", "windows").out
    assert out.startswith("schtasks /Create /F /SC MINUTE /MO 15")
    if sys.platform != "win32":
        with pytest.raises(HubError, match="Windows only"):
            schedule.plan("windows").install()


def test_install_and_remove_exclude_each_other(cli: Run) -> None:
    assert cli("backup", "schedule", "cron", "--install", "--remove").code == 2

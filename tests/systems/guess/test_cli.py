from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from backendhub.kit.output import Output
from backendhub.systems.guess import play, service

START = """Welcome to the Number Guessing Game!
I'm thinking of a number between 1 and 100.
Please select the difficulty level:
1. Easy (10 chances)
2. Medium (5 chances)
3. Hard (3 chances)

Great! You have selected the Medium difficulty level.
You have 5 chances to guess the correct number.
Let's start the game!

"""


def lose(run, *options):
    return run("--once", *options, stdin="1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n")


def test_a_piped_game_begins_as_the_brief_has_it(run):
    code, out, _ = run("--seed", "tea", stdin="2\n50\n")
    assert code == 1  # the input ended
    assert out == START + "Incorrect! The number is greater than 50.\n\n"  # prompts are for people


def test_a_seeded_game(run):
    code, out, err = run("-d", "easy", "--seed", "tea", stdin="50\nx\n50\n75\n101\n92\n")
    assert (code, err) == (0, "")
    assert "Incorrect! The number is greater than 50.\n\n'x' is not a whole number.\n" in out
    assert "You have already guessed 50.\n" in out and "101 is not between 1 and 100.\n" in out
    assert "Congratulations! You guessed the correct number in 3 attempts.\n" in out
    assert "Guess seed tea easy 3/10 (par 7)\n🔼🔼✅\n" in out
    assert run("scores") == (0, "", "")
    assert run("share")[1] == "Guess seed tea easy 3/10 (par 7)\n🔼🔼✅\n"


def test_ndjson(run):
    code, out, err = run("-d", "m", "--seed", "tea", "--json", stdin="50\nx\n92\n")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {"turn": 1, "guess": 50, "answer": "greater", "left": 4, "low": 51, "high": 100},
        {"turn": 1, "guess": "x", "answer": "invalid", "left": 4, "message": "'x' is not a whole number."},
        {"turn": 2, "guess": 92, "answer": "correct", "left": 3, "low": 92, "high": 92},
        {"result": "won", "attempts": 2, "seconds": 0.0, "secret": 92, "par": 7},
    ]


def test_a_lost_game_is_no_failure(run):
    code, out, _ = run("-d", "hard", "--seed", "tea", stdin="1\n2\n3\n")
    assert code == 0 and "Game over! You've run out of chances. The number was 92." in out
    out = run("-d", "hard", "--seed", "tea", "--json", stdin="1\n2\n3\n")[1]
    assert json.loads(out.splitlines()[-1])["result"] == "lost"


@pytest.mark.parametrize("stdin", ["", "2\n", "2\n50\n", "2\n50\nquit\n"])
def test_the_end_of_the_input_leaves_the_game_unscored(run, stdin):
    code, _, err = run("--seed", "tea", stdin=stdin)
    assert code == 1 and "does not count" in err
    assert json.loads(run("stats", "--json")[1])["practice"] == 0


def test_rounds(run):
    game = "1\n2\n3\n"
    code, out, _ = run("-d", "hard", "--min", "1", "--max", "1000000", stdin=f"{game}y\n{game}n\n{game}")
    assert code == 0 and out.count("Game over!") == 2
    code, out, _ = run("-d", "hard", "--min", "1", "--max", "1000000", stdin=game)
    assert code == 0  # nobody there to play again
    code, out, _ = run("-d", "hard", "--max", "1000000", "--once", stdin=f"{game}y\n{game}")
    assert out.count("Game over!") == 1


def test_hints(run):
    out = run("--hints", "-d", "easy", "--seed", "tea", stdin="50\n90\n92\n")[1]
    assert "Hint: cold; it is between 51 and 100 (50 numbers).\n" in out
    first = run("--hints", "--seed", "tea", "--json", stdin="50\n92\n")[1].splitlines()[0]
    assert json.loads(first)["hint"] == "Hint: cold; it is between 51 and 100 (50 numbers)."
    assert "Hint: hot; it is between 91 and 100 (10 numbers).\n" in out


@pytest.mark.parametrize(
    "options",
    [
        ("--min", "5", "--max", "5"),
        ("--min", "x"),
        ("-d", "extreme"),
        ("--chances", "0"),
        ("--daily", "--seed", "x"),
        ("--seed", ""),
        ("--format", "csv"),
    ],
)
def test_bad_options_are_refused_before_anything_is_asked(run, options):
    code, out, err = run(*options, stdin="50\n")
    assert (code, out) == (2, "") and err.startswith("Error: ")


def test_negative_ranges(run):
    code, out, _ = run("--min", "-5", "--max", "-4", "--chances", "2", stdin="-5\n-4\n")
    assert code == 0 and "Congratulations" in out


def test_the_daily_game_counts_once(run):
    lose(run, "--daily", "-d", "hard")
    out = lose(run, "--daily", "-d", "hard")[1]
    found = json.loads(run("stats", "--json")[1])
    assert (found["played"], found["practice"]) == (1, 1)
    assert "does not count" in out and "Guess daily 2026-01-05 hard" in out


def test_stats_scores_and_reset(run):
    assert run("stats")[1].startswith("0 played, 0 won; 0 practice games not counted\n")
    lose(run, "-d", "easy")
    lose(run, "-d", "hard")
    assert run("stats")[1].startswith("2 played")
    assert json.loads(run("stats", "--json")[1])["difficulties"][2]["expectedRate"] == 0.07
    code, _, err = run("reset")
    assert code == 2 and "--yes" in err
    assert run("reset", "--yes")[1] == "2 games forgotten.\n"
    assert run("stats")[1].startswith("0 played")


def test_reset_can_be_undone(run, cli):
    lose(run, "-d", "hard")
    run("reset", "--yes")
    assert cli("undo").code == 0
    assert run("stats")[1].startswith("1 played")


def test_reverse(run):
    code, out, _ = run("--reverse", stdin="h\nl\nmaybe\nc\n")
    assert code == 0
    assert out.endswith(
        "Answer h (my guess is too low), l (too high) or c (correct).\n"
        "Found it: your number is 62, in 3 attempts (par 7).\n"
    )
    code, out, err = run("--reverse", "--min", "1", "--max", "2", stdin="l\n")
    assert code == 1 and "contradict" in err
    assert run("--reverse", stdin="h\n")[0] == 1


def test_reverse_finds_every_number_within_par():
    class Player(play.Table):
        """Knows a number and answers truly."""

        def __init__(self, number):
            super().__init__(Output("table", stdout=io.StringIO()))
            self.number = number
            self.asked = []

        def say(self, text=""):
            if text.startswith("Is it "):
                self.asked.append(int(text[6:-1]))

        def ask(self, prompt):
            guess = self.asked[-1]
            return "c" if guess == self.number else "h" if guess < self.number else "l"

    for number in range(1, 101):
        player = Player(number)
        play.reverse(player, service.settle())
        assert player.asked[-1] == number and len(player.asked) <= 7


def test_reverse_json(run):
    out = run("--reverse", "--json", stdin="h\nc\n")[1]
    assert [json.loads(line) for line in out.splitlines()] == [
        {"turn": 1, "guess": 50},
        {"turn": 2, "guess": 75},
        {"result": "found", "attempts": 2, "secret": 75, "par": 7},
    ]


def test_ctrl_c_is_130_and_unscored(process, command):
    child = subprocess.Popen(
        [*command, "guess", "-d", "hard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child.stdin.write(b"50\n")
    child.stdin.flush()
    select.select([child.stdout], [], [], 20)
    time.sleep(0.1)  # let it come back to reading
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode == 130
    assert json.loads(process("guess", "stats", "--json").out)["played"] == 0


def test_a_person_at_a_terminal_is_prompted(command):
    parent, end = pty.openpty()
    child = subprocess.Popen(
        [*command, "guess", "--seed", "tea"],
        stdin=end,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    shown = b""
    for answer in (b"1\n", b"50\n", b"92\n"):
        while not shown.endswith(b": "):
            ready, _, _ = select.select([parent], [], [], 20)
            assert ready, shown
            shown += os.read(parent, 4096)
        os.write(parent, answer)
        shown += b"|"
    while True:
        try:
            chunk = os.read(parent, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        shown += chunk
    os.close(parent)
    assert child.wait(timeout=20) == 0
    text = shown.decode().replace("\r\n", "\n")
    assert "Enter your choice: " in text and "Enter your guess: " in text
    assert "Congratulations! You guessed the correct number in 2 attempts." in text


def test_stats_load_nothing_heavy(tmp_path):
    code = (
        "import sys; from backendhub.app.main import main; main(['guess', 'stats']);"
        "print([m for m in ('httpx', 'pydantic', 'rich', 'asyncio', 'sqlite_utils') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"

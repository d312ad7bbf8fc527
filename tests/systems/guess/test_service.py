from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backendhub.kit import clock
from backendhub.kit.errors import Invalid, NotFound
from backendhub.systems.guess import demo, service
from backendhub.systems.guess.service import Round, settle


@pytest.mark.parametrize(
    ("seed", "low", "high", "secret"),
    [("tea", 1, 100, 92), ("tea", 1, 10, 2), ("42", -5, 10**15, None)],
)
def test_a_seed_is_the_same_number_everywhere(seed, low, high, secret):
    from hashlib import sha256

    digest = sha256(f"{seed}\n{low}\n{high}".encode()).hexdigest()
    rules = settle(seed=seed, low=low, high=high)
    assert service.secret_of(rules) == low + int(digest, 16) % (high - low + 1)
    assert secret is None or service.secret_of(rules) == secret


def test_the_daily_number_changes_by_day_and_difficulty():
    found = set()
    for day in range(1, 29):
        with clock.frozen(f"2026-01-{day:02}T23:30:00Z"):
            found |= {(day, service.secret_of(settle(daily=True, difficulty=d))) for d in ("easy", "hard")}
    assert len({number for _, number in found}) > 20
    with clock.frozen("2026-01-05T00:00:00Z"):
        rules = settle(daily=True)
        assert (rules.seed, rules.mode) == ("daily 2026-01-05", "daily")


def test_a_random_number_is_in_range_and_varies():
    rules = settle(low=-3, high=3)
    found = {service.secret_of(rules) for _ in range(400)}
    assert found == set(range(-3, 4))


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "ranked"),
        ({"difficulty": "3"}, "ranked"),
        ({"seed": "x"}, "practice"),
        ({"low": 5}, "practice"),
        ({"high": 50}, "practice"),
        ({"chances": 4}, "practice"),
        ({"hints": True}, "practice"),
        ({"daily": True}, "daily"),
    ],
)
def test_what_a_game_counts_for(options, mode):
    assert settle(**options).mode == mode


@pytest.mark.parametrize(
    "options",
    [
        {"low": 5, "high": 5},
        {"low": 200},
        {"high": 10**16},
        {"chances": 0},
        {"chances": -1},
        {"difficulty": "4"},
        {"difficulty": ""},
        {"difficulty": "x"},
        {"daily": True, "seed": "x"},
        {"daily": True, "high": 10},
        {"seed": " "},
    ],
)
def test_rules_that_make_no_game(options):
    with pytest.raises(Invalid):
        settle(**options)


@pytest.mark.parametrize(
    ("difficulty", "chances", "odds"), [("easy", 10, 1.0), ("medium", 5, 0.31), ("hard", 3, 0.07)]
)
def test_chances_and_what_perfect_play_wins(difficulty, chances, odds):
    rules = settle(difficulty=difficulty)
    assert (rules.chances, rules.odds, rules.par) == (chances, odds, 7)


def test_the_briefs_game():
    played = Round(settle(), secret=30)
    texts = [played.guess(text).message for text in ("50", "25", "35", "30")]
    assert texts == [
        "Incorrect! The number is less than 50.",
        "Incorrect! The number is greater than 25.",
        "Incorrect! The number is less than 35.",
        "Congratulations! You guessed the correct number in 4 attempts.",
    ]
    assert played.won and played.over


@pytest.mark.parametrize("text", ["abc", "", "0", "101", "-5", "50.5", "1e1", "٣", "9" * 30, "50"])
def test_a_guess_that_makes_no_sense_costs_nothing(text):
    played = Round(settle(), secret=30)
    played.guess("50")
    turn = played.guess(text)
    assert (turn.answer, turn.left, len(played.guesses)) == ("invalid", 4, 1)


@given(st.integers(-50, 50), st.integers(1, 300), st.data())
def test_halving_the_range_never_needs_more_than_par(low, size, data):
    high = low + size
    rules = settle(low=low, high=high, chances=20)
    played = Round(rules, secret=data.draw(st.integers(low, high)))
    while not played.over:
        played.guess(str((played.low + played.high) // 2))
    assert played.won and len(played.guesses) <= rules.par
    percent, _ = service.skill(low, high, played.secret, tuple(played.guesses))
    assert percent == 100


@given(st.integers(1, 100), st.lists(st.integers(1, 100), min_size=1, max_size=10, unique=True))
def test_skill_is_a_share(secret, guesses):
    cut = guesses.index(secret) + 1 if secret in guesses else len(guesses)
    percent, _ = service.skill(1, 100, secret, tuple(guesses[:cut]))
    assert 0 <= percent <= 100


def test_a_wasted_guess_shows_no_skill():
    assert service.skill(1, 100, 99, (50, 25))[0] < service.skill(1, 100, 99, (50, 75))[0]


def finish(db, secret, *guesses, seconds=1.0, **options):
    played = Round(settle(**options), secret=secret)
    for guess in guesses:
        played.guess(str(guess))
    assert played.over
    return service.record(db, played, seconds)


def test_scores_order_and_what_stays_out(db):
    assert finish(db, 30, 50, 30, seconds=9)[1]
    assert finish(db, 30, 50, 30, seconds=5)[1]
    assert not finish(db, 30, 50, 40, 30, seconds=1)[1]
    assert not finish(db, 30, 30, seed="x")[1]
    assert not finish(db, 30, 30, hints=True)[1]
    assert not finish(db, 30, 30, high=50)[1]
    assert not finish(db, 30, 30, daily=True)[1]
    assert finish(db, 30, 30, difficulty="hard")[1]
    found = [(g.difficulty, g.attempts, g.seconds) for g in service.scores(db)]
    assert found == [("medium", 2, 5.0), ("medium", 2, 9.0), ("medium", 3, 1.0), ("hard", 1, 1.0)]
    assert len(service.scores(db, difficulty="m", limit=1)) == 1


def test_stats(db):
    assert service.stats(db).played == 0
    finish(db, 30, 50, 30)
    finish(db, 30, 50, 40, 30)
    finish(db, 30, 1, 2, 3, difficulty="hard")
    finish(db, 30, 30, difficulty="easy")
    finish(db, 30, 30, seed="x")
    found = service.stats(db)
    assert (found.played, found.won, found.streak, found.best_streak, found.practice) == (4, 3, 1, 2, 1)
    medium = found.difficulties[1]
    assert (medium.played, medium.won, medium.best, medium.average) == (2, 2, 2, 2.5)


def test_daily_games_count_once_and_make_streaks(db):
    for day, won in ((1, True), (2, True), (3, False), (4, True), (5, True)):
        with clock.frozen(f"2026-01-0{day}T12:00:00Z"):
            game, _ = finish(db, 30, 30, daily=True) if won else finish(db, 30, 1, 2, 3, 4, 5, daily=True)
            assert game.mode == "daily"
    with clock.frozen("2026-01-05T13:00:00Z"):
        assert finish(db, 30, 30, daily=True)[0].mode == "practice"
        assert finish(db, 30, 30, daily=True, difficulty="hard")[0].mode == "daily"
    for day, streak in ((5, 2), (6, 2), (7, 0)):
        with clock.frozen(f"2026-01-0{day}T12:00:00Z"):
            found = service.stats(db)
            assert (found.daily_streak, found.best_daily_streak) == (streak, 2)


def test_sharing_does_not_give_the_number_away(db):
    with pytest.raises(NotFound):
        service.last(db)
    with clock.frozen("2026-01-05T12:00:00Z"):
        game, _ = finish(db, 37, 50, 25, 37, daily=True)
        assert service.share(game) == "Guess daily 2026-01-05 medium 3/5 (par 7)\n🔽🔼✅"
    game, _ = finish(db, 7, 5, 8, 9, low=5, high=9, chances=3)
    assert service.share(game) == "Guess 5–9 medium X/3 (par 3)\n🔼🔽🔽"
    assert service.last(db) == game
    assert service.reset(db) == 2 and service.stats(db).practice == 0


def test_the_sample_is_made_of_finished_games(db):
    assert demo.load(db) == 7 and demo.load(db) == 0
    found = service.stats(db)
    assert (found.played, found.won, found.practice) == (7, 5, 0)
    assert all(g.won for g in service.scores(db))

"""A rate limit per minute and key, and turns that are spread over time, both in bounded memory."""

from checkout.rates import Pace, RateLimit, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_only_so_many_are_allowed_until_the_minute_is_over():
    clock = Clock()
    limit = RateLimit("visits", clock=clock)
    assert [limit.seconds_until_allowed("a", most=2) for _ in range(3)] == [0, 0, 60]
    assert limit.seconds_until_allowed("b", most=2) == 0
    clock.now += 59.5
    assert limit.seconds_until_allowed("a", most=2) == 1
    clock.now += 0.5
    assert limit.seconds_until_allowed("a", most=2) == 0


def test_strangers_from_many_networks_leave_nobody_without_a_use():
    limit = RateLimit("visits", clock=Clock(), most_keys=2)
    assert [limit.seconds_until_allowed(key, most=1) for key in "abcd"] == [0, 0, 0, 0]
    assert limit.seconds_until_allowed("d", most=1) == 60
    assert len(limit._counts) == 2


def test_a_key_at_its_limit_is_remembered_while_it_tries():
    limit = RateLimit("visits", clock=Clock(), most_keys=2)
    assert [limit.seconds_until_allowed(key, most=1) for key in "abacad"] == [0, 0, 60, 0, 60, 0]


def booked(turns: Turns, key: str) -> tuple[float, bool]:
    turn = turns.book(key, every_seconds=5, most_seconds=10)
    return turn.seconds, turn.is_booked


def test_a_key_has_a_turn_every_so_many_seconds_and_no_more_than_may_wait():
    clock = Clock()
    turns = Turns(clock=clock)
    assert [booked(turns, "a") for _ in range(4)] == [(5, True), (10, True), (15, False), (15, False)]
    assert booked(turns, "b") == (5, True)
    clock.now += 5
    assert booked(turns, "a") == (10, True)
    clock.now += 60
    assert booked(turns, "a") == (5, True)


def test_strangers_from_many_networks_delay_nobody_s_turn():
    turns = Turns(clock=Clock(), most_keys=2)
    assert [booked(turns, key) for key in "abcd"] == [(5, True), (5, True), (5, True), (5, True)]
    assert booked(turns, "d") == (10, True)
    assert len(turns._last) == 2


def test_a_key_without_a_free_turn_is_remembered_while_it_tries():
    turns = Turns(clock=Clock(), most_keys=2)
    assert [booked(turns, key)[1] for key in "aaabaca"] == [True, True, False, True, False, True, False]


def turns(pace, key="a", *, count=1, most=2, patience=600.0):
    return [pace.seconds_until_turn(key, most=most, patience=patience) for _ in range(count)]


def test_a_minute_s_turns_come_at_once_and_the_rest_evenly():
    clock = Clock()
    pace = Pace(clock=clock)
    assert turns(pace, count=5) == [0, 0, 30, 60, 90]
    assert turns(pace, "b") == [0]
    clock.now += 60
    assert turns(pace) == [60]
    clock.now += 600
    assert turns(pace, count=3) == [0, 0, 30]


def test_a_turn_that_would_come_too_late_is_not_taken():
    clock = Clock()
    pace = Pace(clock=clock)
    assert turns(pace, count=5, patience=30) == [0, 0, 30, None, None]
    clock.now += 30
    assert turns(pace, count=2, patience=30) == [30, None]


def test_keys_whose_turns_are_over_are_forgotten_when_there_are_many():
    clock = Clock()
    pace = Pace(clock=clock, most_keys=2)
    turns(pace, "a", count=5)
    turns(pace, "b")
    clock.now += 31
    turns(pace, "c")
    assert set(pace._next) == {"a", "c"}

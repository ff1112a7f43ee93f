"""A rate that meets a quota nobody told it."""

from __future__ import annotations

from flyte_agent_core.limiter import Limiter


def sent_in(limiter: Limiter, clock, seconds: float) -> int:
    """Send as fast as allowed; return how many calls went out."""
    end_s, sent = clock.now_s + seconds, 0
    while True:
        wait_s = limiter.reserve(end_s - clock.now_s)
        if wait_s is None:
            clock.now_s = end_s
            return sent
        clock.now_s += wait_s
        sent += 1


def test_a_pause_is_worth_a_burst_and_then_the_rate_holds(clock):
    limiter = Limiter(10, burst=20, clock=clock)
    assert 115 <= sent_in(limiter, clock, 10) <= 121


def test_a_refusal_halves_the_rate_once_a_second(clock):
    limiter = Limiter(100, clock=clock)
    for _ in range(50):
        limiter.throttled()
    assert (limiter.rate_per_s, limiter.refused) == (50, 50)
    clock.now_s += 1
    limiter.throttled()
    assert limiter.rate_per_s == 25


def test_answers_bring_the_rate_back(clock):
    limiter = Limiter(100, clock=clock)
    limiter.throttled()
    for _ in range(25):
        limiter.passed()
    assert limiter.rate_per_s == 100
    limiter.passed()
    assert limiter.rate_per_s == 100


def test_the_rate_has_a_floor(clock):
    limiter = Limiter(1, floor_per_s=0.5, clock=clock)
    for _ in range(10):
        clock.now_s += 2
        limiter.throttled()
    assert limiter.rate_per_s == 0.5


def test_nothing_is_sent_before_the_vendor_allows_it(clock):
    limiter = Limiter(100, clock=clock)
    limiter.throttled(retry_after_s=30)
    assert limiter.reserve(longest_s=5) is None
    assert limiter.reserve() >= 30


def test_a_quota_is_found(clock):
    """The vendor takes 20 calls a second; few of those sent at up to 200 are refused in the long run."""
    limiter, window_s, taken, refused, sent = Limiter(200, burst=5, clock=clock), 0.0, 0, 0, 0
    end_s = clock.now_s + 300
    while clock.now_s < end_s:
        clock.now_s += limiter.reserve() or 0.0
        sent += 1
        if int(clock.now_s) != window_s:
            window_s, taken = int(clock.now_s), 0
        taken += 1
        if taken > 20:
            refused += 1
            limiter.throttled(retry_after_s=window_s + 1 - clock.now_s)
        else:
            limiter.passed()
    assert sent - refused > 0.9 * 20 * 300
    assert refused / sent < 0.1

"""The calls of one account, as fast as they may be."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import Forbidden, NotFound

from flyte_agent_bigquery.rate import VARIABLE, Rate
from flyte_agent_core import RetryableError, TaskError


def refused(reason: str) -> Forbidden:
    return Forbidden("slow down", errors=[{"reason": reason, "message": "slow down"}])


def test_a_refusal_slows_down_and_is_passed_on():
    rate = Rate()
    with pytest.raises(Forbidden), rate.heard():
        raise refused("rateLimitExceeded")
    assert rate.limiter.rate_per_s == 50


@pytest.mark.parametrize("error", [NotFound("no job"), refused("accessDenied"), ValueError("bug")])
def test_other_errors_say_nothing_about_the_rate(error):
    rate = Rate()
    with pytest.raises(type(error)), rate.heard():
        raise error
    assert rate.limiter.rate_per_s == 100


def test_answers_bring_it_back():
    rate = Rate()
    rate.limiter.throttled()
    with rate.heard():
        pass
    assert rate.limiter.rate_per_s == 52


def test_a_turn_that_comes_too_late_is_refused_here():
    rate = Rate()
    rate.limiter.throttled(retry_after_s=60)
    with pytest.raises(RetryableError, match="would have come too late"):
        rate.wait(5)


def test_a_free_turn_costs_no_time():
    Rate().wait(1)


def test_the_platform_may_set_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "250")
    assert Rate().limiter.rate_per_s == 250
    for wrong in ("fast", "-1", "0", "nan"):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(TaskError, match=VARIABLE):
            Rate()

"""What a query may cost."""

from __future__ import annotations

import pytest

from flyte_agent_bigquery.cost import TIB, CostLimit, billed_usd, estimate, size_text
from flyte_agent_bigquery.job import Job
from flyte_agent_core import TaskError


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (CostLimit(), None),
        (CostLimit(max_bytes=10), 10),
        (CostLimit(max_usd=6.25, usd_per_tib=6.25), TIB),
        (CostLimit(max_bytes=10, max_usd=6.25, usd_per_tib=6.25), 10),
        (CostLimit(max_usd=1.0), None),
    ],
)
def test_the_tighter_limit_holds(limit, expected):
    assert limit.limit_bytes == expected


def test_a_query_within_the_limit_passes():
    assert CostLimit(max_bytes=100).judge(100) == ""


def test_a_query_above_the_limit_is_refused_with_the_figures():
    limit = CostLimit(max_usd=1.0, usd_per_tib=6.25)

    with pytest.raises(TaskError) as refused:
        limit.judge(TIB)

    assert refused.value.code == "BIGQUERY.COST_LIMIT"
    for figure in ("1.0 TiB ($6.25)", "163.8 GiB ($1.00)", "not started"):
        assert figure in str(refused.value)


def test_a_limit_that_warns_lets_it_run():
    said = CostLimit(max_bytes=1024, refuse=False).judge(2048, "UPPER_BOUND")

    assert said == "over the cost limit: would read at most 2.0 KiB; the task's limit is 1.0 KiB"


@pytest.mark.parametrize(
    ("limit", "own", "stop"),
    [
        (CostLimit(max_bytes=100), None, 100),
        (CostLimit(max_bytes=100), 50, 50),
        (CostLimit(max_bytes=100), 500, 100),
        (CostLimit(max_bytes=100, refuse=False), None, None),
        (CostLimit(max_bytes=100, refuse=False), 500, 500),
        (CostLimit(), None, None),
    ],
)
def test_bigquery_stops_at_the_lower_of_both(limit, own, stop):
    assert limit.hard_stop(own) == stop


def test_the_estimate_is_read_from_either_place():
    query = {"totalBytesProcessed": "7", "totalBytesProcessedAccuracy": "PRECISE"}

    assert estimate(Job({"statistics": {"query": query}})) == (7, "PRECISE")
    assert estimate(Job({"statistics": {"totalBytesProcessed": "8"}})) == (8, "")
    assert estimate(Job({})) == (0, "")


def test_bytes_cost_nothing_in_a_reservation():
    query = {"query": {"totalBytesBilled": str(TIB)}}

    assert billed_usd(Job({"statistics": query}), 6.25) == 6.25
    assert billed_usd(Job({"statistics": {**query, "reservation_id": "r"}}), 6.25) is None
    assert billed_usd(Job({"statistics": query}), 0.0) is None
    assert billed_usd(Job({}), 6.25) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1.5 * TIB, "1.5 TiB"),
        (2**62, "4096.0 PiB"),
    ],
)
def test_sizes_are_shown_in_the_unit_a_person_would_use(size, text):
    assert size_text(size) == text

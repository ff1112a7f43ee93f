"""Random stories, as hypothesis draws and shrinks them: towards Flyte 1, one task, and nothing that goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from .plan import MISHAPS, OF_ALL, SLOW, SYNC_MISHAPS, Mishap, Plan, Story, Trouble

if TYPE_CHECKING:
    from .stage import Stage

_RUNS_S = (45.0, 1.0, 20.0, 100.0)
_ABORTS_S = (5.0, 0.05, 33.0, 61.0, 130.0)
_TIMES_S = (0.0, 0.05, 12.0, 31.0, 47.0, 95.0)
_SLOW_S = (3, 7, 20)


def stories(stage: Stage, *, max_tasks: int = 3, max_faults: int = 5) -> st.SearchStrategy[Story]:
    """
    Return random stories for a stage.

    Args:
        stage: Says how jobs can end, and what the vendor gets wrong.
        max_tasks: Tasks of one story.
        max_faults: Mishaps of one story, and troubles.
    """
    return st.builds(
        Story,
        flyte=st.sampled_from(stage.flytes),
        tasks=st.lists(_plans(stage), min_size=1, max_size=max_tasks).map(tuple),
        mishaps=st.lists(_mishaps(stage, max_tasks), max_size=max_faults, unique=True).map(tuple),
        troubles=st.lists(_troubles(stage), max_size=max_faults, unique=True).map(tuple),
        replicas=st.sampled_from((1, 2)),
        retry_unavailable=st.sampled_from((0, 3)),
        luck=st.integers(0, 15),
    )


def _plans(stage: Stage) -> st.SearchStrategy[Plan]:
    kinds = [_ending(stage), _aborted(), _timed_out(), _aborted(ends=("finished", "failed"))]
    if stage.is_sync:
        kinds = [st.builds(Plan, retries=st.integers(0, 2)), _aborted(ends=("finished",))]
    if stage.refused is not None:
        kinds.append(st.builds(Plan, ends=st.just(("refused",)), retries=st.integers(0, 2)))
    return st.one_of(*kinds)


def _ending(stage: Stage) -> st.SearchStrategy[Plan]:
    ends = ["finished", "failed"]
    ends += ["evicted"] if stage.evicted else []
    ends += ["vanished"] if stage.can_vanish else []
    return st.builds(
        Plan,
        runs_s=st.sampled_from(_RUNS_S),
        ends=st.lists(st.sampled_from(ends), min_size=1, max_size=3).map(tuple),
        retries=st.integers(0, 2),
    )


def _aborted(ends: tuple[str, ...] = ("never",)) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        runs_s=st.sampled_from(_RUNS_S),
        ends=st.sampled_from(ends).map(lambda end: (end,)),
        abort_after_s=st.sampled_from(_ABORTS_S),
    )


def _timed_out() -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        ends=st.lists(st.sampled_from(("never", "finished")), min_size=1, max_size=2).map(tuple),
        retries=st.integers(0, 1),
        timeout_s=st.sampled_from((60.0, 25.0)),
        # Flyte counts from the first RUNNING, or not at all if there never was one.
        abort_after_s=st.just(600.0),
    )


def _mishaps(stage: Stage, max_tasks: int) -> st.SearchStrategy[Mishap]:
    kinds = SYNC_MISHAPS if stage.is_sync else MISHAPS
    of_one = st.builds(
        Mishap,
        kind=st.sampled_from([kind for kind in kinds if kind not in OF_ALL]),
        task=st.integers(0, max_tasks - 1),
        nth=st.integers(0, 3),
    )
    of_all = st.builds(Mishap, kind=st.sampled_from(sorted(OF_ALL)), nth=st.integers(0, 9))
    return st.one_of(of_one, of_all)


def _troubles(stage: Stage) -> st.SearchStrategy[Trouble]:
    operations = st.sampled_from(("do",) if stage.is_sync else ("create", "get", "delete"))
    at_s = st.sampled_from(_TIMES_S)
    short = st.builds(
        Trouble,
        operation=operations,
        fault=st.sampled_from(stage.faults),
        at_s=at_s,
        times=st.integers(1, 12),
    )
    slow = st.builds(
        Trouble,
        operation=operations,
        fault=st.just(SLOW),
        at_s=at_s,
        times=st.sampled_from(_SLOW_S),
    )
    return st.one_of(short, slow)

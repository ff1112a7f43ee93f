"""
Random stories: an agent, its vendor and Flyte, and everything that goes wrong between them.

A story is a few tasks and a schedule of faults: where propeller dies, which answers get lost, when a process of the
service is killed, what the vendor refuses, how its jobs end. It is played in virtual time, in milliseconds, by the
simulated propeller of Flyte 1 or 2; then :data:`INVARIANTS` must hold. One that breaks them is shrunk to the shortest
that does, and told step by step. A test of an agent::

    from flyte_agent_testing.stories import Stage, check_stories

    STAGE = Stage(
        backend=VendorBackend,                                   # see StoryBackend; one for the kit serves here too
        agent=lambda backend, clock: VendorAgent(clock=clock, url=backend.url),
        task=task_template("vendor_job", custom={"script": "true"}),
        refused=task_template("vendor_job", custom={"script": ""}),
        evicted="PREEMPTED",
    )

    def test_nothing_is_lost_whatever_happens():
        check_stories(STAGE, examples=200)

Many more, on all cores, from the command line::

    python -m flyte_agent_testing.stories tests/test_stories.py:STAGE --stories 10000

:mod:`~flyte_agent_testing.stories.example` is an agent that comes through all of them.
"""

from __future__ import annotations

from .backend import StoryBackend
from .check import StoryFailed, check_stories, play_checked
from .invariants import INVARIANTS, Breach, breaches
from .plan import ENDS, MISHAPS, SLOW, Mishap, Plan, Story, Trouble
from .stage import Played, Stage, play
from .vendor import MemoryVendor, VendorError

__all__ = [
    "ENDS",
    "INVARIANTS",
    "MISHAPS",
    "SLOW",
    "Breach",
    "MemoryVendor",
    "Mishap",
    "Plan",
    "Played",
    "Stage",
    "Story",
    "StoryBackend",
    "StoryFailed",
    "Trouble",
    "VendorError",
    "breaches",
    "check_stories",
    "play",
    "play_checked",
]

"""
A propeller that runs on a laptop: it calls an agent service with all the real one gets wrong.

Run a task through a service that is listening somewhere, in virtual time::

    clock = FakeClock()
    async with SimulatedPropeller("127.0.0.1:8000", clock=clock) as propeller:
        template = task_template("bigquery_job", sql="SELECT 1", outputs={"results": int})
        outcome = await propeller.run(template, retries=1)
    assert outcome.succeeded, outcome
    assert not propeller.violations

``str(outcome)`` is the whole story, one line per step::

    00:00:00.000  f1n0/n0/0  create     84 bytes of metadata
    00:00:00.000  f1n0/n0/0  get        RUNNING links: BigQuery  (4 times until 00:01:30.000)

A thousand attempts while propeller crashes, connections break and users abort::

    faults = Faults(crash_after_create=0.2, crash_during_create=0.1, lost_answer=0.1, abort=0.05)
    tasks = [TaskRun(template=template, inputs={"n": n}, retries=2) for n in range(1000)]
    async with SimulatedPropeller(target, clock=clock, faults=faults, seed=7) as propeller:
        outcomes = await propeller.run_many(tasks)
    assert not any(outcome.hung for outcome in outcomes)
    jobs = {job.id for job in stand_in.jobs}
    started = sum(len(outcome.attempts) for outcome in outcomes)
    assert len(jobs) == started  # one job per attempt, whatever happened

(An attempt that was aborted before CreateTask was answered, or whose CreateTask never reached the
service, may have no job: :mod:`flyte_agent_testing.stories` knows all such excuses, and finds the
faults by itself.)

The agent shares the clock if it runs in this process: ``agent.clock = clock``. A stand-in whose
answers take real time holds it still:
``with clock.hold_while(lambda: stand_in.in_flight > 0): ...``.

What is simulated, with Flyte v1.16.8 as the model:

* CreateTask is sent at least once, with equal requests, and any error of it uses up one of the
  user's attempts.
* The first GetTask comes at once, then one per ``resync_interval_s``, out of a queue with a rate
  limit and ten workers; what it answers is seen at the next round, and shown once per phase.
* Failed polls are counted for ever. After the sixth the task fails if no poll ever worked, else it
  hangs.
* RETRYABLE_FAILED: DeleteTask with the metadata of that attempt, then an attempt with a new output
  prefix.
* DeleteTask on abort and timeout as well. A round that fails is repeated about a second later, and
  counted for the life of the workflow; after the eleventh there is one last try.
* SUCCEEDED: outputs of the answer as they are, or ``outputs.pb``, or ``OutputsNotFound``.
* Synchronous tasks: one message is read, which must be terminal.
* With ``watch_s=10`` ListAgents is called every ten seconds over connections of its own. After one
  that failed, types known at the start arrive as asynchronous ones, and others go to the container
  plugin.

And with ``flyte=2``, the model being v2.0.43:

* ``flyteidl2.connector`` on the wire, with ``connection`` made from the task's ``custom``; some
  tasks fail before anybody is called.
* ``supported_task_types`` alone says what goes to the service; nothing is synchronous.
* A failed attempt is retried in place: DeleteTask once, whatever it answers, then a new output
  prefix.
* UNDEFINED and missing outputs are system errors; the fourth in a row fails the task.
* The count of failed polls outlives the process: after a restart a task that hung has failed.
* DeleteTask is sent for every action that has ended, when it is collected as garbage after an hour
  or more, and repeated every ten seconds until it succeeds.

Propeller may die between any two steps: :data:`CRASH_POINTS` names the places,
``Faults(crashes={"after-create": 0.2})`` makes it likely, :class:`LoadedDice` says it exactly. The
same seed gives the same faults; on a :class:`~flyte_agent_testing.virtual.VirtualLoop`, with a
:class:`~flyte_agent_testing.loopback.Loopback` for a channel, the same transcript to the letter.

Whatever would hurt a real Flyte is written down as a :class:`Violation`, whose rule says how; see
:data:`RULES`.
"""

from __future__ import annotations

from .crashes import CRASH_POINTS
from .dice import Dice, LoadedDice
from .outcome import AttemptRecord, Outcome
from .rules import RULES
from .settings import Faults, Settings
from .simulation import SimulatedPropeller
from .story import Event, Step, Transcript, Violation
from .task import TaskRun

__all__ = [
    "CRASH_POINTS",
    "RULES",
    "AttemptRecord",
    "Dice",
    "Event",
    "Faults",
    "LoadedDice",
    "Outcome",
    "Settings",
    "SimulatedPropeller",
    "Step",
    "TaskRun",
    "Transcript",
    "Violation",
]

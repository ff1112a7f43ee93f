"""The life of a run: queued, pending, running, and every way to end it; nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest
import requests
from databricks.sdk.errors import BadRequest, InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.service import jobs

from flyte_agent_databricks.local import LocalDatabricks, Scripted, Words
from flyte_agent_databricks.local.states import TIMED_OUT, broken

# Starts a process in its own group and one in its own session, says who they are, and waits for ever.
FAMILY = """\
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
children = [subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)]
print(os.getpid(), *[child.pid for child in children], flush=True)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def family(desk, write, **settings) -> tuple[int, list[int]]:
    """A run with descendants; its id and the ids of the processes."""
    desk.server.put_file("/Workspace/family.py", FAMILY)
    run_id = desk.submit(write.file("/Workspace/family.py"), **settings)
    while not (written := desk.server.task(run_id).output.log and logs_of(desk, run_id)):
        assert not desk.server.run(run_id).done.wait(0.01)
    return run_id, [int(pid) for pid in written.split()]


def logs_of(desk, run_id: int) -> str:
    return Path(desk.server.task(run_id).output.log).read_text()


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@needs_proc
def test_cancel_kills_the_task_and_all_it_has_started(desk, write):
    run_id, pids = family(desk, write)
    assert [is_alive(pid) for pid in pids] == [True] * 3
    desk.client.jobs.cancel_run(run_id)
    run = desk.ended(run_id)
    assert [is_alive(pid) for pid in pids] == [False] * 3
    assert run.state.result_state.value == "CANCELED"
    assert run.state.user_cancelled_or_timedout
    assert run.status.termination_details.code.value == "USER_CANCELED"
    assert desk.output(run_id).error == "Run cancelled."
    desk.client.jobs.cancel_run(run_id)
    assert desk.ended(run_id).state.result_state.value == "CANCELED"


@needs_proc
@pytest.mark.parametrize("where", ["run", "task"])
def test_a_timeout_kills(desk, write, where):
    desk.server.put_file("/Workspace/family.py", FAMILY)
    limit = {"timeout_seconds": 1}
    given = write.file("/Workspace/family.py", **(limit if where == "task" else {}))
    run = desk.run(given, **(limit if where == "run" else {}))
    assert run.state.result_state.value == "TIMEDOUT"
    assert run.tasks[0].state.result_state.value == "TIMEDOUT"
    # On a busy machine it may not have come to saying who they are.
    assert not any(is_alive(int(pid)) for pid in (desk.output(run.run_id).logs or "").split())
    assert desk.server.processes.running() == []


@needs_proc
def test_what_a_task_leaves_behind_ends_with_it(desk, write):
    desk.server.put_file("/Workspace/leave.py", FAMILY.rpartition("time.sleep(600)\n")[0])
    run = desk.run(write.file("/Workspace/leave.py"))
    assert run.state.result_state.value == "SUCCESS"
    assert not any(is_alive(int(pid)) for pid in desk.output(run.run_id).logs.split())


@needs_proc
def test_stopping_the_workspace_kills(write):
    with LocalDatabricks() as server:
        desk = write.desk(server)
        run_id, pids = family(desk, write)
        folder = server.root
    assert not any(map(is_alive, pids))
    assert server.run(run_id).words.result == "CANCELED"
    assert not folder.exists()
    assert not [
        each.name for each in threading.enumerate() if each.name.startswith("LocalDatabricks")
    ]
    server.stop()


@needs_proc
@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_tasks_die_with_the_command(write, tmp_path, number):
    """However it ends: asked to, or killed."""
    tmp_path.joinpath("Workspace").mkdir()
    tmp_path.joinpath("Workspace", "family.py").write_text(FAMILY)
    options = [
        "--port",
        "0",
        "--data-dir",
        str(tmp_path),
        "--git",
        f"https://git.example.org/x={tmp_path}",
    ]
    command = [sys.executable, "-m", "flyte_agent_databricks.local", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        exports = dict(process.stdout.readline().split()[1].split("=", 1) for _ in range(2))
        client = write.client(
            types.SimpleNamespace(url=exports["DATABRICKS_HOST"], token=exports["DATABRICKS_TOKEN"])
        )
        body = {"tasks": [write.file("/Workspace/family.py")]}
        run_id = client.api_client.do("POST", "/api/2.2/jobs/runs/submit", body=body)["run_id"]
        task_id = client.jobs.get_run(run_id).tasks[0].run_id
        while not (logs := client.jobs.get_run_output(task_id).logs or "").endswith("\n"):
            assert process.poll() is None
        pids = [int(pid) for pid in logs.split()]
        assert [is_alive(pid) for pid in pids] == [True] * 3
        process.send_signal(number)
    assert process.returncode == (0 if number == signal.SIGTERM else -number)
    while any(map(is_alive, pids)):
        os.sched_yield()


def test_one_task_of_a_run_can_be_cancelled(desk, write):
    desk.server.script.add(Scripted(holds=True), task_key="slow")
    desk.server.script.add(task_key="after")
    run_id = desk.submit(write.jar("slow"), write.jar("after", ("slow",)))
    desk.client.jobs.cancel_run(desk.server.task(run_id, "slow").run_id)
    run = desk.ended(run_id)
    assert {each.task_key: each.state.result_state.value for each in run.tasks} == {
        "slow": "CANCELED", "after": "UPSTREAM_CANCELED",
    }  # fmt: skip
    assert run.state.result_state.value == "CANCELED"


def test_cancelling_reaches_loops_and_jobs(desk, write):
    desk.server.script.add(Scripted(holds=True))
    job = desk.server.create_job({"tasks": [write.jar("x")]})
    loop = {"inputs": "[1, 2, 3]", "concurrency": 2, "task": write.jar("one")}
    run_id = desk.submit(
        write.task("loop", for_each_task=loop), write.task("job", run_job_task={"job_id": job})
    )
    child = desk.server.task(run_id, "job").child
    desk.client.jobs.cancel_run(run_id)
    run = desk.ended(run_id)
    assert {each.state.result_state.value for each in run.tasks} == {"CANCELED"}
    assert child.words.result == "CANCELED"


def test_a_cancelled_run_is_terminating_for_a_while(write):
    with LocalDatabricks(stopping_s=0.4, setup_s=0.3) as server:
        desk = write.desk(server)
        server.script.add(Scripted(holds=True))
        run_id = desk.submit(write.jar("x"))
        assert desk.client.jobs.get_run(run_id).state.life_cycle_state.value == "PENDING"
        desk.until(run_id, "RUNNING", "x")
        desk.client.jobs.cancel_run(run_id)
        found = desk.client.jobs.get_run(run_id)
        assert found.state.life_cycle_state.value == "TERMINATING"
        assert desk.ended(run_id).state.result_state.value == "CANCELED"


# -- exactly once ---------------------------------------------------------------------------------------------------


def test_a_token_makes_one_run_however_often_it_is_used(desk, write):
    desk.server.script.add()
    barrier, ids = threading.Barrier(8), []

    def submit() -> None:
        barrier.wait()
        ids.append(desk.submit(write.jar("a"), idempotency_token="t-1"))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 1
    desk.ended(ids[0])
    assert desk.submit(write.jar("a"), idempotency_token="t-1") == ids[0]
    assert len(desk.server.store.runs) == 1


def test_the_token_of_a_deleted_run_is_refused(desk, write):
    desk.server.script.add()
    job = desk.server.create_job({"tasks": [write.jar("a")]})
    run_id = desk.client.jobs.run_now(job, idempotency_token="t-2").run_id
    assert desk.client.jobs.run_now(job, idempotency_token="t-2").run_id == run_id
    desk.ended(run_id)
    desk.client.jobs.delete_run(run_id)
    with pytest.raises(BadRequest, match="t-2 was deleted"):
        desk.client.jobs.run_now(job, idempotency_token="t-2")
    with pytest.raises(ResourceDoesNotExist, match=f"Run {run_id} does not exist"):
        desk.client.jobs.get_run(run_id)


def test_a_long_token_is_refused(desk, write):
    with pytest.raises(InvalidParameterValue, match="found 65 characters"):
        desk.submit(write.notebook("/n"), idempotency_token="x" * 65)


def test_an_answer_that_is_lost_has_made_its_run(desk, write):
    """Without the SDK, which waits a second before it tries again."""
    desk.server.script.add()
    desk.server.faults.add("runs.submit", drop_connection="after")
    body = {"tasks": [write.jar("a")], "idempotency_token": "t-3"}
    headers = {"Authorization": f"Bearer {desk.server.token}"}
    url = f"{desk.server.url}/api/2.2/jobs/runs/submit"
    with pytest.raises(requests.ConnectionError):
        requests.post(url, json=body, headers=headers, timeout=10)
    run_id = desk.submit(write.jar("a"), idempotency_token="t-3")
    assert list(desk.server.store.runs) == [run_id]


# -- pages ----------------------------------------------------------------------------------------------------------


def test_tasks_come_by_the_hundred_and_in_no_order(desk, write):
    desk.server.script.add()
    keys = [f"t{n}" for n in range(250)]
    run = desk.run(*[write.jar(key) for key in keys])
    found = [each.task_key for each in run.tasks]
    assert sorted(found) == sorted(keys)
    assert found != keys
    assert desk.server.count("runs.get") == 3


def test_runs_are_listed_newest_first_at_most_25_of_a_page(desk, write):
    desk.server.script.add(run_name="done*")
    desk.server.script.add(Scripted(holds=True), run_name="held*")
    for number in range(60):
        desk.submit(write.jar("a"), run_name=f"{'held' if number % 2 else 'done'}{number}")
    names = [each.run_name for each in desk.client.jobs.list_runs(limit=25)]
    assert len(names) == 60
    assert (names[0], names[-1]) == ("held59", "done0")
    assert desk.server.count("runs.list") == 3
    active = [each.run_name for each in desk.client.jobs.list_runs(active_only=True, limit=25)]
    assert active == [name for name in names if name.startswith("held")]
    completed = list(desk.client.jobs.list_runs(completed_only=True, expand_tasks=True))
    assert {each.state.result_state.value for each in completed} == {"SUCCESS"}
    assert completed[0].tasks[0].task_key == "a"
    for wrong in ({"limit": 26}, {"active_only": True, "completed_only": True}):
        with pytest.raises(BadRequest):
            list(desk.client.jobs.list_runs(**wrong))
    by_type = desk.client.jobs.list_runs(run_type=jobs.RunType.JOB_RUN)
    assert list(by_type) == []


# -- the queue ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", [True, False])
def test_a_job_runs_as_often_at_once_as_it_may(desk, write, queue):
    desk.server.script.add(Scripted(holds=True))
    job = desk.server.create_job({"tasks": [write.jar("a")], "queue": {"enabled": queue}})
    first, second = (desk.client.jobs.run_now(job).run_id for _ in range(2))
    found = desk.client.jobs.get_run(second)
    if queue:
        assert found.status.queue_details.code.value == "MAX_CONCURRENT_RUNS_REACHED"
        desk.server.end_run(first)
        assert desk.client.jobs.get_run(second).state.life_cycle_state.value == "RUNNING"
    else:
        assert found.state.life_cycle_state.value == "SKIPPED"
        assert found.state.result_state.value == "MAXIMUM_CONCURRENT_RUNS_REACHED"
        assert found.status.termination_details.code.value == "MAX_CONCURRENT_RUNS_EXCEEDED"


def test_a_workspace_runs_as_many_at_once_as_it_may(write):
    with LocalDatabricks(max_active_runs=1) as server:
        desk = write.desk(server)
        server.script.add(Scripted(holds=True))
        first = desk.submit(write.jar("a"))
        queued = desk.submit(write.jar("a"), queue={"enabled": True})
        skipped = desk.submit(write.jar("a"))
        assert server.run(queued).words.queue_code == "ACTIVE_RUNS_LIMIT_REACHED"
        assert server.run(skipped).words.code == "WORKSPACE_RUN_LIMIT_EXCEEDED"
        desk.client.jobs.cancel_run(first)
        desk.until(queued, "RUNNING", "a")
        desk.client.jobs.cancel_all_runs(job_id=server.run(queued).job_id)
        assert desk.ended(queued).state.result_state.value == "CANCELED"


@pytest.mark.parametrize("state", ["QUEUED", "PENDING", "RUNNING"])
def test_runs_can_be_held_and_let_go(desk, write, state):
    desk.server.put_notebook("/n", "dbutils.notebook.exit('went on')")
    desk.server.hold_runs(state)
    held, cancelled = (desk.submit(write.notebook("/n")) for _ in range(2))
    found = desk.client.jobs.get_run(held)
    assert found.state.life_cycle_state.value == state
    assert found.status.state.value == state
    desk.client.jobs.cancel_run(cancelled)
    assert desk.ended(cancelled).state.result_state.value == "CANCELED"
    desk.server.release_runs()
    assert desk.ended(held).state.result_state.value == "SUCCESS"
    assert desk.output(held).notebook_output.result == "went on"
    with pytest.raises(ValueError, match="expected one of QUEUED, PENDING, RUNNING"):
        desk.server.hold_runs("DONE")


# -- scripts --------------------------------------------------------------------------------------------------------


def test_a_held_run_can_end_in_any_way(desk, write):
    desk.server.hold_runs("RUNNING")
    run_id = desk.submit(write.notebook("/n"))
    words = broken("CLUSTER_REQUEST_LIMIT_EXCEEDED", "no more", "CLOUD_FAILURE")
    desk.server.end_run(run_id, Scripted(words, error="no more"))
    run = desk.ended(run_id)
    assert run.status.termination_details.code.value == "CLUSTER_REQUEST_LIMIT_EXCEEDED"
    assert run.status.termination_details.type.value == "CLOUD_FAILURE"
    assert desk.output(run_id).error == "no more"


def test_a_run_can_be_shown_in_a_state_that_nobody_knows(desk, write):
    desk.server.hold_runs("RUNNING")
    run_id = desk.submit(write.notebook("/n"))
    desk.server.set_words(run_id, Words("HIBERNATING", status="DREAMING"))
    body = desk.client.api_client.do("GET", "/api/2.2/jobs/runs/get", query={"run_id": run_id})
    assert (body["state"]["life_cycle_state"], body["status"]["state"]) == (
        "HIBERNATING",
        "DREAMING",
    )
    assert desk.client.jobs.get_run(run_id).state.life_cycle_state is None
    desk.server.set_words(run_id, TIMED_OUT)
    assert desk.ended(run_id).state.result_state.value == "TIMEDOUT"


def test_every_state_of_the_sdk_can_be_shown(desk, write):
    desk.server.hold_runs("RUNNING")
    run_id = desk.submit(write.notebook("/n"))
    for life_cycle in jobs.RunLifeCycleState:
        desk.server.set_words(run_id, Words(life_cycle.value))
        found = desk.client.jobs.get_run(run_id)
        assert found.state.life_cycle_state is life_cycle
        assert found.status.state is not None
    for code in jobs.TerminationCodeCode:
        desk.server.set_words(
            run_id, Words("TERMINATED", "FAILED", code=code.value, kind="CLOUD_FAILURE")
        )
        assert desk.client.jobs.get_run(run_id).status.termination_details.code is code


def test_a_lost_cluster_ends_the_task_and_says_why(desk, write):
    run_id, pids = family(desk, write)
    desk.server.lose_cluster(run_id)
    run = desk.ended(run_id)
    assert run.status.termination_details.code.value == "CLUSTER_ERROR"
    assert run.status.termination_details.type.value == "CLOUD_FAILURE"
    assert not any(map(is_alive, pids))
    cluster = desk.client.clusters.get(run.tasks[0].cluster_instance.cluster_id)
    assert cluster.termination_reason.code.value == "SPOT_INSTANCE_TERMINATION"
    assert cluster.state.value == "TERMINATED"


def test_a_script_takes_its_time(desk, write):
    desk.server.script.add(Scripted(setup_s=0.03, run_s=0.05, logs="said", values={"v": 1}))
    run = desk.run(write.jar("a"))
    (found,) = run.tasks
    assert found.setup_duration >= 25
    assert found.execution_duration >= 45
    assert run.run_duration >= 75
    assert (run.setup_duration, run.execution_duration) == (
        found.setup_duration,
        found.execution_duration,
    )


def test_the_output_of_a_run_as_a_whole_is_refused(desk, write):
    desk.server.script.add()
    run = desk.run(write.jar("a"))
    with pytest.raises(InvalidParameterValue, match="each individual task run"):
        desk.client.jobs.get_run_output(run.run_id)
    with pytest.raises(ResourceDoesNotExist):
        desk.client.jobs.get_run_output(4)
    with pytest.raises(InvalidParameterValue, match="expected a number"):
        desk.client.jobs.get_run("four")


def test_many_tasks_share_few_slots(write):
    with LocalDatabricks(slots=2) as server:
        desk = write.desk(server)
        server.put_file("/Workspace/f.py", "print('done')")
        run = desk.run(*[write.file("/Workspace/f.py", key=f"t{n}") for n in range(6)])
        assert run.state.result_state.value == "SUCCESS"
        assert server.processes.running() == []


def test_a_thousand_active_runs_are_forty_pages(desk, write):
    desk.server.script.add(Scripted(holds=True))
    job = _job(desk, write)
    for _ in range(1000):
        desk.server.flow.submit(desk.server.flow.run_of(job, "me", {}))
    pages, token = 0, "0"
    while token is not None:
        query = {"active_only": "true", "limit": 25, "page_token": token}
        body = desk.client.api_client.do("GET", "/api/2.2/jobs/runs/list", query=query)
        pages, token = pages + 1, body.get("next_page_token")
    assert pages == 40


def _job(desk, write):
    job_id = desk.server.create_job({"tasks": [write.jar("a")], "max_concurrent_runs": 1000})
    return desk.server.store.jobs[job_id]

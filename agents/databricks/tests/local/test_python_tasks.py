"""Python files, wheels and notebooks really run, as processes."""

from __future__ import annotations

import importlib.util
import json
import zipfile

import pytest

from flyte_agent_databricks.local.driver.dbruntime.notebooks import NotebookError, read, script

NOTEBOOK = """\
who = dbutils.widgets.get("who")
# COMMAND ----------
# MAGIC %md
# MAGIC # A title
# COMMAND ----------
# DBTITLE 1,The end
import json
dbutils.jobs.taskValues.set("seen", [1, 2])
dbutils.notebook.exit(json.dumps({"hello": who}))
# COMMAND ----------
raise RuntimeError("never reached")
"""


def test_a_notebook_gets_parameters_and_hands_back_a_value(desk, write):
    desk.server.put_notebook("/Shared/me/hello", NOTEBOOK)
    run = desk.run(write.notebook("/Shared/me/hello", who="Ann"))
    assert (run.state.life_cycle_state.value, run.state.result_state.value) == (
        "TERMINATED",
        "SUCCESS",
    )
    assert run.status.termination_details.code.value == "SUCCESS"
    assert json.loads(desk.output(run.run_id).notebook_output.result) == {"hello": "Ann"}
    assert desk.server.task(run.run_id).values == {"seen": [1, 2]}


def test_a_notebook_of_jupyter_runs_other_notebooks(desk, write):
    cells = [
        {"cell_type": "markdown", "source": ["# nothing"]},
        {"cell_type": "code", "source": ["%run ./shared"]},
        {"cell_type": "code", "source": "%pip install packaging\nx = twice(4)"},
        {"cell_type": "code", "source": "y = dbutils.notebook.run('other', 30, {'n': x})\n"},
        {
            "cell_type": "code",
            "source": "from databricks.sdk.runtime import dbutils as same\nsame.notebook.exit(y)",
        },
    ]
    desk.server.put_notebook("/n/main", json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    desk.server.put_notebook("/n/shared", "def twice(n):\n    return 2 * n\n")
    desk.server.put_notebook("/n/other", "dbutils.notebook.exit(dbutils.widgets.get('n') + '!')")
    run = desk.run(write.notebook("/n/main"))
    assert desk.output(run.run_id).notebook_output.result == "8!", desk.output(
        run.run_id
    ).error_trace


def test_without_exit_the_output_of_a_notebook_is_empty(desk, write):
    desk.server.put_notebook("/n/quiet", "x = 1")
    run = desk.run(write.notebook("/n/quiet"))
    assert desk.output(run.run_id).notebook_output.result is None


def test_a_value_above_5_mb_is_cut_and_said_so(desk, write):
    desk.server.put_notebook("/n/large", "dbutils.notebook.exit('é' * 4_000_000)")
    found = desk.output(desk.run(write.notebook("/n/large")).run_id).notebook_output
    assert found.truncated
    assert len(found.result.encode()) == 5 << 20


def test_logs_above_5_mb_keep_their_end(desk, write):
    desk.server.put_file("/Workspace/loud.py", "print('x' * 6_000_000)\nprint('the end')")
    found = desk.output(desk.run(write.file("/Workspace/loud.py")).run_id)
    assert found.logs_truncated
    assert found.logs.endswith("the end\n")


@pytest.mark.parametrize(
    "path", ["/Workspace/jobs/main.py", "dbfs:/jobs/main.py", "/Volumes/main/default/v/main.py"]
)
def test_a_python_file_runs_from_every_place(desk, write, path):
    desk.server.put_file(path, "import sys, helper\nprint(sys.argv[1:], helper.N, __name__)")
    desk.server.put_file(path.replace("main.py", "helper.py"), "N = 7")
    run = desk.run(write.file(path, "a", "b c"))
    assert desk.output(run.run_id).logs == "['a', 'b c'] 7 __main__\n"


def test_an_error_comes_with_its_trace_and_without_our_frames(desk, write):
    desk.server.put_file("/Workspace/bad.py", "def f():\n    return 1 / 0\nprint('before')\nf()\n")
    run = desk.run(write.file("/Workspace/bad.py"))
    found = desk.output(run.run_id)
    assert found.error == "ZeroDivisionError: division by zero"
    assert found.error_trace.startswith("Traceback (most recent call last):\n")
    assert 'bad.py", line 2, in f' in found.error_trace
    assert "dbruntime" not in found.error_trace
    assert found.logs.startswith("before\n")
    assert run.state.life_cycle_state.value == "INTERNAL_ERROR"
    assert run.state.state_message == (
        "Task main failed with message: Workload failed, see run output for details."
    )
    assert run.status.termination_details.code.value == "RUN_EXECUTION_ERROR"
    assert run.tasks[0].state.life_cycle_state.value == "TERMINATED"


@pytest.mark.parametrize(
    ("code", "error", "reason"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3", "RUN_EXECUTION_ERROR"),
        (
            "import os; os._exit(4)",
            "The Python process exited with exit code 4.",
            "RUN_EXECUTION_ERROR",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "The Python process exited with exit code 139 (SIGSEGV).",
            "DRIVER_ERROR",
        ),
    ],
)
def test_a_process_that_ends_badly_says_how(desk, write, code, error, reason):
    desk.server.put_file("/Workspace/end.py", code)
    run = desk.run(write.file("/Workspace/end.py"))
    assert desk.output(run.run_id).error == error
    assert run.status.termination_details.code.value == reason


def test_an_exit_without_a_status_is_a_good_end(desk, write):
    desk.server.put_file("/Workspace/end.py", "import sys; sys.exit()")
    assert desk.run(write.file("/Workspace/end.py")).state.result_state.value == "SUCCESS"


def make_wheel(folder, name="scorer"):
    """A wheel of pure Python with an entry point."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}/__init__.py", "import sys\ndef main():\n    print('main', sys.argv[1:])\n"
        )
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\nscore = {name}:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return path.read_bytes()


@pytest.mark.parametrize("entry_point", ["score", "main"])
def test_a_wheel_is_unpacked_and_its_entry_point_called(desk, write, tmp_path, entry_point):
    path = "/Volumes/main/default/lib/scorer-1.0-py3-none-any.whl"
    desk.server.put_file(path, make_wheel(tmp_path))
    wheel = {"package_name": "scorer", "entry_point": entry_point, "named_parameters": {"a": "1"}}
    run = desk.run(
        write.task(python_wheel_task=wheel, environment_key="e"),
        environments=[
            {"environment_key": "e", "spec": {"environment_version": "4", "dependencies": [path]}}
        ],
    )
    assert desk.output(run.run_id).logs == "main ['--a=1']\n"
    assert run.effective_performance_target.value == "PERFORMANCE_OPTIMIZED"


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ({"pypi": {"package": "no-such-package-here"}}, "has no no-such-package-here"),
        ({"pypi": {"package": "packaging<1"}}, "has packaging"),
        ({"pypi": {"package": "what is this"}}, "expected a requirement"),
        ({"whl": "/Volumes/main/default/lib/none.whl"}, "does not exist"),
        ({"maven": {"coordinates": "a:b:1"}}, "no libraries of the kind 'maven'"),
    ],
)
def test_a_library_that_cannot_be_had_ends_the_task(desk, write, library, words):
    desk.server.put_file("/Workspace/f.py", "pass")
    run = desk.run(write.file("/Workspace/f.py", libraries=[library]))
    assert run.status.termination_details.code.value == "LIBRARY_INSTALLATION_ERROR"
    assert words in desk.output(run.run_id).error


def test_libraries_that_are_installed_are_fine(desk, write):
    desk.server.put_file("/Workspace/f.py", "import packaging")
    library = {"pypi": {"package": "packaging>=1 ; python_version > '3'"}}
    assert (
        desk.run(write.file("/Workspace/f.py", libraries=[library])).state.result_state.value
        == "SUCCESS"
    )


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"notebook_task": {"notebook_path": "/no/where"}}, "RESOURCE_NOT_FOUND"),
        ({"spark_python_task": {"python_file": "/Workspace/no.py"}}, "RESOURCE_NOT_FOUND"),
        ({"spark_python_task": {"python_file": "s3://bucket/no.py"}}, "STORAGE_ACCESS_ERROR"),
        ({"spark_python_task": {"python_file": "/Workspace/../no.py"}}, "INVALID_RUN_CONFIGURATION"),
        ({"spark_python_task": {"python_file": "x.py", "parameters": ["{{tasks.no.values.v}}"]}},
         "INVALID_RUN_CONFIGURATION"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(desk, write, given, code):
    run = desk.run(write.task(existing_cluster_id=desk.server.cluster_id, **given))
    assert run.status.termination_details.code.value == code
    assert run.status.termination_details.message


def test_dbutils_has_files_and_secrets(desk, write):
    desk.server.put_notebook(
        "/n/files",
        "dbutils.fs.mkdirs('dbfs:/d'); dbutils.fs.put('dbfs:/d/a.txt', 'hello')\n"
        "dbutils.fs.cp('/d/a.txt', '/Volumes/main/default/v/b.txt')\n"
        "dbutils.fs.mv('/Volumes/main/default/v/b.txt', 'dbfs:/d/c.txt')\n"
        "names = [f.path for f in dbutils.fs.ls('dbfs:/d')]\n"
        "dbutils.fs.rm('/d', True)\n"
        "dbutils.widgets.text('n', 'by default')\n"
        "dbutils.notebook.exit(str([names, dbutils.secrets.get('team', 'key'), getArgument('n')]))",
    )
    run = desk.run(write.notebook("/n/files"))
    found = desk.output(run.run_id)
    assert found.notebook_output.result == (
        "[['dbfs:/d/a.txt', 'dbfs:/d/c.txt'], 'hidden', 'by default']"
    ), found.error_trace


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("dbutils.widgets.get('nope')", "No input widget named nope is defined"),
        ("# MAGIC %sh ls", "%sh: the local workspace runs cells of Python"),
        ("# MAGIC %pip install no-such-package-here", "installs nothing, and no-such-package-here"),
        ("dbutils.fs.head('/no')", "FileNotFoundError"),
        ("dbutils.jobs.taskValues.get('a', 'b')", "No task value with key 'b'"),
        ("dbutils.jobs.taskValues.set('a', 'x' * 50_000)", "expected at most 49152"),
        ("dbutils.secrets.get('a', 'b')", "Secret does not exist with scope: a and key: b"),
        ("dbutils.data.summarize(1)", "the local workspace has dbutils.fs"),
        ("dbutils.notebook.run('/no/where')", "does not exist in the workspace"),
        ("dbutils.notebook.run('./slow', 1)", "did not end within 1 s"),
    ],
)
def test_what_a_notebook_cannot_do_here_says_what_to_do(desk, write, source, error):
    desk.server.put_notebook("/n/bad", source)
    desk.server.put_notebook("/n/slow", "import time\ntime.sleep(60)")
    run = desk.run(write.notebook("/n/bad"))
    assert error in desk.output(run.run_id).error


def test_environment_variables_are_the_clusters(desk, write, monkeypatch):
    monkeypatch.setenv("DATABRICKS_SECRET_OF_THE_SERVICE", "x")
    desk.server.put_file(
        "/Workspace/env.py",
        "import os\nprint(os.environ['MODE'], os.environ['DATABRICKS_RUNTIME_VERSION'],"
        " [n for n in os.environ if n.endswith('_SERVICE')])",
    )
    cluster = {"num_workers": 1, "spark_env_vars": {"MODE": "fast"}}
    run = desk.run(write.file("/Workspace/env.py", new_cluster=cluster))
    assert desk.output(run.run_id).logs == "fast local []\n"


def test_environment_variables_come_with_environments_and_by_key(desk, write):
    desk.server.put_file("/Workspace/env.py", "import os\nprint(os.environ['A'], os.environ['B'])")
    task = write.file(
        "/Workspace/env.py", new_cluster=None, environment_key="e", environment_variables_key="k"
    )
    run = desk.run(
        task,
        environments=[
            {"environment_key": "e", "spec": {"client": "2", "environment_vars": {"A": 1}}}
        ],
        environment_variables=[
            {"environment_variables_key": "k", "spec": {"variables": {"B": "2"}}}
        ],
    )
    assert desk.output(run.run_id).logs == "1 2\n"


def test_tasks_of_a_job_share_its_clusters(desk, write):
    desk.server.put_file("/Workspace/env.py", "import os\nprint(os.environ['MODE'])")
    tasks = [
        write.file("/Workspace/env.py", key=key, new_cluster=None, job_cluster_key="c")
        for key in "ab"
    ]
    cluster = {"job_cluster_key": "c", "new_cluster": {"spark_env_vars": {"MODE": "shared"}}}
    job = desk.server.create_job({"tasks": tasks, "job_clusters": [cluster]})
    run = desk.ended(desk.client.jobs.run_now(job).run_id)
    assert run.state.result_state.value == "SUCCESS"
    (cluster_id,) = {each.cluster_instance.cluster_id for each in run.tasks}
    assert desk.output(run.run_id, "b").logs == "shared\n"
    found = desk.client.clusters.get(cluster_id)
    assert found.termination_reason.code.value == "JOB_FINISHED"
    assert cluster_id in [each.cluster_id for each in desk.client.clusters.list()]
    assert len(run.job_clusters) == 1


def test_a_notebook_of_sql_becomes_calls():
    cells = read(
        "-- Databricks notebook source\nSELECT 1\n-- COMMAND ----------\n-- MAGIC %python\n-- MAGIC x = 1\n",
        "n",
    )
    assert script(cells, str) == "_sqldf = _cells.sql('SELECT 1')\nx = 1\n"
    scala = read(
        '{"cells": [{"cell_type": "code", "source": "val x = 1"}], "metadata": {"language_info": {"name": "scala"}}}',
        "n",
    )
    assert script(scala, str) == "_cells.refuse('scala')\n"
    with pytest.raises(NotebookError, match="n is no notebook"):
        read("x = 1", "n")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("!ls", "!ls: the local workspace"),
        ("%pip list", "knows 'install' only"),
        ("%run ./nowhere", "notebook ./nowhere does not exist"),
        (
            "dbutils.fs.put('/Volumes/v/a', 'x'); dbutils.fs.put('/Volumes/v/a', 'y')",
            "use overwrite=True",
        ),
        ("dbutils.fs.ls('/nothing/here')", "No such file or directory"),
        ("dbutils.fs.ls('/a/../b')", "expected one without '..'"),
    ],
)
def test_what_a_cell_cannot_do_is_told(desk, write, source, error):
    cells = [{"cell_type": "code", "source": source}]
    desk.server.put_notebook("/n/cell", json.dumps({"cells": cells}))
    run = desk.run(write.notebook("/n/cell"))
    assert error in desk.output(run.run_id).error


def test_widgets_have_defaults_and_are_forgotten(desk, write):
    desk.server.put_notebook(
        "/n/widgets",
        "dbutils.widgets.dropdown('a', 'x', ['x', 'y'])\ndbutils.widgets.text('b', 'z')\n"
        "dbutils.widgets.remove('a')\nfound = dbutils.widgets.getAll()\ndbutils.widgets.removeAll()\n"
        "dbutils.fs.put('/d/a', 'x', True)\nfound['head'] = dbutils.fs.head('/dbfs/d/a')\n"
        "dbutils.fs.cp('dbfs:/d', '/Volumes/v/d', True)\nfound['gone'] = dbutils.fs.rm('/no')\n"
        "dbutils.fs.rm('/d/a')\ndbutils.fs.rm('/d')\n"
        "found['ls'] = [f.name for f in dbutils.fs.ls('/Volumes/v')]\n"
        "found['given'] = dbutils.jobs.taskValues.get('none', 'k', default=5)\n"
        "dbutils.notebook.exit(str(found))",
    )
    run = desk.run(write.notebook("/n/widgets"))
    found = desk.output(run.run_id)
    assert found.notebook_output.result == (
        "{'b': 'z', 'head': 'x', 'gone': False, 'ls': ['d/'], 'given': 5}"
    ), found.error_trace


def test_work_that_breaks_is_told_and_kept(write):
    from flyte_agent_databricks.local import LocalDatabricks

    with LocalDatabricks() as server:
        desk = write.desk(server)
        server.put_file("/Workspace/f.py", "pass")
        run_id = desk.submit(write.file("/Workspace/f.py", libraries=[{"pypi": {"no": "package"}}]))
        assert desk.ended(run_id).status.termination_details.code.value == "INTERNAL_ERROR"
        assert "The local workspace broke: KeyError" in desk.output(run_id).error
        assert len(server.workers.broken) == 1


def test_a_repository_is_a_folder_that_was_given(write, tmp_path):
    from flyte_agent_databricks.local import LocalDatabricks

    tmp_path.joinpath("job.py").write_text("print('of git')")
    url = "https://git.example.org/jobs"
    with LocalDatabricks(git={f"{url}.git": tmp_path}) as server:
        body = {
            "git_source": {"git_url": url, "git_provider": "gitHub", "git_branch": "main"},
            "spark_python_task": {"python_file": "job.py", "source": "GIT"},
            "existing_cluster_id": server.cluster_id,
        }
        client = write.client(server)
        ids = []
        for source in (body, {**body, "git_source": {"git_url": "https://git.example.org/other"}}):
            ids.append(
                client.api_client.do("POST", "/api/2.1/jobs/runs/submit", body=source)["run_id"]
            )
            assert server.run(ids[-1]).done.wait(30)
        assert client.jobs.get_run_output(server.task(ids[0]).run_id).logs == "of git\n"
        assert server.run(ids[1]).words.code == "REPOSITORY_CHECKOUT_FAILED"


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is not None, reason="PySpark is installed")
def test_spark_is_missed_by_name(desk, write):
    desk.server.put_notebook("/n/spark", "# MAGIC %sql SELECT 1")
    run = desk.run(write.notebook("/n/spark"))
    assert "pip install pyspark" in desk.output(run.run_id).error


@pytest.mark.once
@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="needs PySpark")
def test_spark_runs_sql_cells_and_data_frames(desk, write):
    desk.server.put_notebook(
        "/n/spark",
        "spark.range(4).createOrReplaceTempView('t')\n# COMMAND ----------\n# MAGIC %sql\n"
        "# MAGIC SELECT sum(id) AS s FROM t\n# COMMAND ----------\n"
        "dbutils.notebook.exit(str(_sqldf.first()['s']))",
    )
    run_id = desk.submit(write.notebook("/n/spark"))
    assert desk.server.run(run_id).done.wait(120)
    assert desk.output(run_id).notebook_output.result == "6", desk.output(run_id).error

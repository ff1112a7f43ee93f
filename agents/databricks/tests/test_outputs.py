"""What a run leaves, as the outputs that the task declared."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_databricks.local.script import Scripted

ON = "0101-000000-local000"


def jar(key: str = "main", **more: Any) -> dict[str, Any]:
    return {
        "task_key": key,
        "spark_jar_task": {"main_class_name": "Main"},
        "existing_cluster_id": ON,
        **more,
    }


def notebook(bench: Any, source: str, key: str = "main") -> dict[str, Any]:
    bench.vendor.put_notebook(f"/Shared/{key}", source)
    return {
        "task_key": key,
        "notebook_task": {"notebook_path": f"/Shared/{key}"},
        "existing_cluster_id": ON,
    }


def ended(bench: Any, tasks: list[Any], outputs: Any, **source: Any) -> Any:
    custom = {"submit": {"tasks": tasks}, "outputs": source}
    return bench.settle(bench.create(custom, outputs=outputs))


def values(resource: Any) -> Any:
    assert resource.phase is Phase.SUCCEEDED, resource.message
    return resource.outputs.to_flyte_idl().literals


EXIT = "dbutils.notebook.exit({!r})"


@pytest.mark.parametrize(
    ("text", "output", "field", "value"),
    [
        ("0.93", float, "float_value", 0.93),
        ("7", int, "integer", 7),
        ("true", bool, "boolean", True),
        ("plain words", str, "string_value", "plain words"),
        ('{"o0": 7}', int, "integer", 7),
        (str(2**62 + 1), int, "integer", 2**62 + 1),
    ],
)
def test_exit_values_are_typed(bench: Any, text: str, output: Any, field: str, value: Any) -> None:
    bench.vendor.script.add(Scripted(result=text))

    literals = values(ended(bench, [notebook(bench, "")], {"o0": output}, kind="exit_value"))

    assert getattr(literals["o0"].scalar.primitive, field) == value


def test_a_notebook_that_really_runs(bench: Any) -> None:
    tasks = [notebook(bench, "import json\ndbutils.notebook.exit(json.dumps({'n': 2, 's': 'x'}))")]

    literals = values(ended(bench, tasks, {"n": int, "s": str}, kind="exit_value"))

    assert literals["n"].scalar.primitive.integer == 2
    assert literals["s"].scalar.primitive.string_value == "x"


@pytest.mark.parametrize(
    ("script", "outputs", "said"),
    [
        ({"result": "seven"}, {"o0": int}, "is no JSON, and output 'o0' is declared as int"),
        ({"result": "[1]"}, {"a": int, "b": int}, "is a list, expected an object with a, b"),
        ({}, {"o0": int}, "gave no exit value"),
        ({"result": '"x"'}, {"o0": int}, "declared as int"),
        ({"result": "x" * (6 << 20)}, {"o0": str}, "at most 5 MB"),
    ],
)
def test_exit_values_that_do_not_fit(bench: Any, script: Any, outputs: Any, said: str) -> None:
    bench.vendor.script.add(Scripted(**script))

    resource = ended(bench, [notebook(bench, "")], outputs, kind="exit_value")

    assert resource.phase is Phase.FAILED
    assert said in resource.message


def test_the_task_is_named_where_there_are_two(bench: Any) -> None:
    tasks = [notebook(bench, EXIT.format("1"), "a"), notebook(bench, EXIT.format("2"), "b")]

    literals = values(ended(bench, tasks, {"o0": int}, kind="exit_value", task="b"))
    unnamed = bench.settle(
        bench.create(
            {"submit": {"tasks": tasks}, "outputs": {"kind": "exit_value"}},
            outputs={"o0": int},
            prefix="s3://b/2",
        )
    )

    assert literals["o0"].scalar.primitive.integer == 2
    assert "found 2 tasks with such an output (a, b)" in unnamed.message


def test_task_values_are_read_by_conditions(bench: Any) -> None:
    source = "dbutils.jobs.taskValues.set('count', 7)\ndbutils.jobs.taskValues.set('name', 'x')"
    said = {"n": "main.count", "s": "main.name"}

    literals = values(
        ended(bench, [notebook(bench, source)], {"n": int, "s": str}, kind="values", values=said)
    )

    assert literals["n"].scalar.primitive.integer == 7
    assert literals["s"].scalar.primitive.string_value == "x"


def test_a_task_value_that_was_not_set_is_told(bench: Any) -> None:
    resource = ended(
        bench, [notebook(bench, "")], {"n": int}, kind="values", values={"n": "main.count"}
    )

    assert resource.phase in (Phase.FAILED, Phase.RETRYABLE_FAILED)


def test_ids_of_runs(bench: Any) -> None:
    bench.vendor.script.add(Scripted(), kind="spark_jar_task")
    inner = bench.vendor.create_job({"name": "inner", "tasks": [jar()]})
    outer = [{"task_key": "main", "run_job_task": {"job_id": str(inner)}}]

    own = values(ended(bench, [jar()], {"o0": str}, kind="run_id"))[
        "o0"
    ].scalar.primitive.string_value
    meta = bench.create(
        {"submit": {"tasks": outer}, "outputs": {"kind": "run_job"}},
        outputs={"o0": int},
        prefix="s3://b/2",
    )
    other = values(bench.settle(meta))["o0"].scalar.primitive.integer

    assert bench.vendor.run(own).words.is_terminal
    assert bench.vendor.run(other).job_id == inner


def archive(results: Any) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        info = tarfile.TarInfo("target/run_results.json")
        data = json.dumps(results).encode()
        info.size = len(data)
        made.addfile(info, io.BytesIO(data))
    return packed.getvalue()


DBT = {"task_key": "main", "dbt_task": {"commands": ["dbt run"], "warehouse_id": "w"}}


@pytest.fixture
def artefacts(httpserver_like: Any) -> Any:
    return httpserver_like


@pytest.fixture
def httpserver_like() -> Any:
    from flyte_agent_testing.server import FakeServer, Reply, Request, route

    class Store(FakeServer):
        data = archive({"results": [{"status": "success"}]})

        @route("GET", "/artefacts", inline=True)
        def get(self, request: Request) -> Reply:
            assert request.header(b"authorization") is None
            return Reply(200, self.data, {"content-type": "application/gzip"})

    with Store() as server:
        yield server


def test_dbt_artefacts(bench: Any, artefacts: Any) -> None:
    output = {
        "dbt_output": {
            "artifacts_link": f"{artefacts.url}/artefacts",
            "artifacts_headers": {"x": "y"},
        }
    }
    bench.vendor.script.add(Scripted(output=output), kind="dbt_task")

    as_dict = values(ended(bench, [DBT], {"o0": dict}, kind="dbt"))["o0"]
    meta = bench.create(
        {"submit": {"tasks": [DBT]}, "outputs": {"kind": "dbt"}},
        outputs={"o0": str},
        prefix="s3://b/2",
    )
    as_text = values(bench.settle(meta))["o0"]

    assert b"success" in as_dict.SerializeToString()
    assert as_text.scalar.primitive.string_value.endswith("/artefacts")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"no archive", "cannot be read"),
        (archive({})[:40], "cannot be read"),
        (None, "no artefacts"),
    ],
    ids=["no archive", "half of one", "nothing"],  # an archive has its time in it
)
def test_dbt_artefacts_that_are_none(bench: Any, artefacts: Any, data: Any, said: str) -> None:
    artefacts.data = data or b""
    link = {"artifacts_link": f"{artefacts.url}/artefacts"} if data else {}
    bench.vendor.script.add(Scripted(output={"dbt_output": link}), kind="dbt_task")

    resource = ended(bench, [DBT], {"o0": dict}, kind="dbt")

    assert resource.phase is Phase.FAILED
    assert said in resource.message


def test_the_result_of_a_sql_task(bench: Any) -> None:
    output = {
        "sql_output": {
            "query_output": {"output_link": "https://a/1", "sql_statements": [{"lookup_key": "k"}]}
        }
    }
    bench.vendor.script.add(Scripted(output=output), kind="sql_task")
    task = {"task_key": "main", "sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}}

    link = values(ended(bench, [task], {"o0": str}, kind="sql"))["o0"]
    custom = {"submit": {"tasks": [task]}, "outputs": {"kind": "sql"}}
    rows = bench.settle(bench.create(custom, outputs={"o0": list[int]}, prefix="s3://b/2"))

    assert link.scalar.primitive.string_value == "https://a/1"
    assert "use a statement (DatabricksSQLTask)" in rows.message


def test_outputs_that_are_too_large_are_told(bench: Any) -> None:
    bench.vendor.script.add(Scripted(result="x" * (4 << 20)))

    resource = ended(bench, [notebook(bench, "")], {"o0": str}, kind="exit_value")

    assert resource.phase is Phase.FAILED
    assert "at most 3 MiB come back as values" in resource.message

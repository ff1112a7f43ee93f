"""``@task(task_config=DatabricksJob(…))``: bodies that run on the stand-in, and what is refused before."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.tasks_pb2 import TaskTemplate
from flytekit import FlyteFile, Resources, Secret, dynamic, task
from flytekit.configuration import (
    FastSerializationSettings,
    Image,
    ImageConfig,
    SerializationSettings,
)
from flytekit.core.context_manager import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from flytekit.exceptions.user import FlyteUserException
from flytekit.tools.script_mode import compress_scripts
from flytekit.tools.translator import get_serializable
from google.protobuf.json_format import MessageToDict

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.inputs import decode_inputs
from flyte_agent_databricks import (
    DatabricksJob,
    DatabricksV2,
    ExistingCluster,
    NewCluster,
    Serverless,
)
from flyte_agent_databricks.agent import DatabricksAgent
from flyte_agent_databricks.config import TASK_TYPE, parse_custom
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.conformance.replica import Replica
from flyte_agent_testing.conformance.service import served
from flyte_agent_testing.propeller import SimulatedPropeller
from flyte_agent_testing.propeller.settings import Settings
from flyte_agent_testing.propeller.task import TaskRun

SETTINGS = SerializationSettings(
    ImageConfig(Image("i", "example.com/i", "1")),
    project="flights",
    domain="development",
    version="v1",
)
CODE = """
import dataclasses
import os
import pathlib
from flytekit import FlyteFile, Secret, current_context, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException
from flyte_agent_databricks import DatabricksJob

@dataclasses.dataclass
class Word:
    text: str
    letters: int

JOB = DatabricksJob(spark=False, env={"MOOD": "good"}, secrets={"WORD": "vault/word"})

@task(task_config=JOB, secret_requests=[Secret("vault", "word")])
def longest(file: FlyteFile, words: list[Word], extra: Word, least: int) -> tuple[FlyteFile, list[Word], dict]:
    lines = pathlib.Path(file).read_text().splitlines()
    found = [w for w in [*words, extra, *(Word(x, len(x)) for x in lines)] if w.letters >= least]
    path = pathlib.Path("longest.txt")
    path.write_text(",".join(w.text for w in found))
    said = {
        "mood": os.environ["MOOD"], "word": os.environ["WORD"], "pid": os.getpid(),
        "secret": current_context().secrets.get("vault", "word"),
    }
    return FlyteFile(str(path)), found, said

@task(task_config=DatabricksJob(spark=False))
def fails(how: str) -> int:
    if how == "recoverable":
        raise FlyteRecoverableException("the wind")
    if how:
        raise ValueError(f"no {how} today")
    return 1

@workflow
def wf(file: FlyteFile, least: int) -> tuple[FlyteFile, list[Word], dict]:
    return longest(file=file, words=[Word("a", 1), Word("airport", 7)], extra=Word("gate", 4), least=least)
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflow file, and a file with words beside it."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "lines.txt").write_text("flight\nno\n")
    path = folder / "words_of_bodies.py"
    path.write_text(CODE)
    return path


@pytest.fixture(scope="module")
def bodies(code: Path) -> Any:
    """The module of that file."""
    spec = importlib.util.spec_from_file_location(code.stem, code)
    module = importlib.util.module_from_spec(spec)
    sys.modules[code.stem] = module
    spec.loader.exec_module(module)
    return module


def registered(entity: Any, archive: str = "") -> TaskTemplate:
    """Return the task as ``pyflyte register`` sends it, with its code in ``archive``."""
    settings = SETTINGS
    if archive:
        fast = FastSerializationSettings(
            enabled=True, destination_dir=".", distribution_location=archive
        )
        settings = SETTINGS.new_builder().with_fast_serialization_settings(fast).build()
    template: TaskTemplate = get_serializable(
        OrderedDict(), settings, entity
    ).template.to_flyte_idl()
    return template


def request_of(entity: Any) -> Any:
    return parse_custom(MessageToDict(registered(entity).custom))


def test_a_body_runs_on_the_workspace_that_the_shell_names(
    bodies: Any, code: Path, shell: Any
) -> None:
    file, found, said = bodies.wf(file=str(code.with_name("lines.txt")), least=4)

    assert [(word.text, word.letters) for word in found] == [
        ("airport", 7),
        ("gate", 4),
        ("flight", 6),
    ]
    assert Path(file).read_text() == "airport,gate,flight"
    assert said.pop("pid") != os.getpid()
    assert said == {"mood": "good", "word": "sesame", "secret": "sesame"}


def test_a_body_runs_in_this_process_without_one(bodies: Any, capfd: Any) -> None:
    with pytest.raises(ValueError, match="no luck today"):
        bodies.fails(how="luck")


@pytest.mark.once
def test_pyflyte_run_sends_the_body_to_the_workspace(code: Path, shell: Any) -> None:
    """As an author types it, in a process of its own."""
    lines = str(code.with_name("lines.txt"))
    command = [
        sys.executable,
        "-m",
        "flytekit.clis.sdk_in_container.pyflyte",
        "run",
        code.name,
        "wf",
    ]
    result = subprocess.run(
        [*command, "--file", lines, "--least", "6"],
        check=False, capture_output=True, text=True, cwd=code.parent,
    )  # fmt: skip

    assert result.returncode == 0, result.stderr
    assert "airport" in result.stdout
    assert "SUCCEEDED" in result.stderr
    runs = [run for run in shell.store.runs.values() if "longest" in run.name]
    assert all(run.words.is_success for run in runs)


@pytest.mark.once
def test_the_error_of_a_body_is_the_error_of_the_task(bodies: Any, shell: Any) -> None:
    with pytest.raises(FlyteUserException, match="ValueError: no luck today") as caught:
        bodies.fails(how="luck")
    assert " FAILED: " in str(caught.value)
    with pytest.raises(FlyteUserException, match=r"RETRYABLE_FAILED.*the wind"):
        bodies.fails(how="recoverable")


def propelled(entity: Any, archive: Path, inputs: dict[str, Any]) -> Any:
    """Run a task through a service as propeller does, which writes the inputs and fills the command in."""
    template, root = registered(entity, str(archive)), archive.with_name("metadata")
    literals = TypeEngine.dict_to_literal_map(
        FlyteContextManager.current_context(), inputs, entity.get_input_types()
    ).to_flyte_idl()
    settings = Settings(metadata_root=str(root))
    run = TaskRun(template=template, inputs=literals, execution="f1", retries=0)
    prefix = Path(run.output_prefix(0, settings).removeprefix("file://"))
    prefix.mkdir(parents=True)
    (prefix / "inputs.pb").write_bytes(literals.SerializeToString())
    known = {
        "{{.input}}": f"{prefix}/inputs.pb",
        "{{.outputPrefix}}": str(prefix),
        "{{.rawOutputDataPrefix}}": f"{prefix}/raw",
        "{{.checkpointOutputPrefix}}": f"{prefix}/c",
        "{{.prevCheckpointPrefix}}": "",
    }
    template.container.args[:] = [known.get(arg, arg) for arg in template.container.args]

    async def live() -> Any:
        clock = FakeClock()
        agent = DatabricksAgent(clock=clock)
        async with (
            served(Replica(agent, 9.0)) as remote,
            SimulatedPropeller(remote.address, clock=clock, settings=settings, seed=1) as propeller,
        ):
            return await propeller.run(run)

    return asyncio.run(live())


@pytest.fixture
def archive(bodies: Any, code: Path, tmp_path: Path) -> Path:
    """The code, as a fast registration uploads it."""
    path = tmp_path / "code.tar.gz"
    compress_scripts(str(code.parent), str(path), [bodies])
    return path


def test_a_body_runs_through_the_service(
    bodies: Any, code: Path, shell: Any, archive: Path
) -> None:
    inputs = {
        "file": FlyteFile(str(code.with_name("lines.txt"))),
        "words": [bodies.Word("airport", 7)],
        "extra": bodies.Word("gate", 4),
        "least": 5,
    }
    outcome = propelled(bodies.longest, archive, inputs)

    assert outcome.succeeded, str(outcome)
    assert not outcome.violations
    outputs = decode_inputs(outcome.outputs)
    assert outputs["o1"] == [{"text": "airport", "letters": 7}, {"text": "flight", "letters": 6}]
    assert Path(outputs["o0"]).read_text() == "airport,flight"
    assert outputs["o2"]["mood"] == "good"


@pytest.mark.once
def test_an_error_reaches_flyte_through_the_service(bodies: Any, shell: Any, archive: Path) -> None:
    outcome = propelled(bodies.fails, archive, {"how": "luck"})

    assert not outcome.succeeded
    assert "ValueError: no luck today" in str(outcome)


WHEEL = "/Volumes/x/flyte_agent_databricks-0.1.0-py3-none-any.whl"


@pytest.fixture
def whole() -> Any:
    """A body with everything."""

    @task(
        task_config=DatabricksJob(
            compute=NewCluster("16.4.x-scala2.12", "m6i.xlarge", 2),
            libraries=["numpy"],
            run_name="r",
            env={"A": "1"},
            secrets={"B": "s/k"},
            service_credential="storage",
            package=WHEEL,
        ),
        secret_requests=[Secret("scope", "key")],
        environment={"C": "2"},
        retries=3,
    )
    def test_whole(x: int) -> int:
        return x

    return test_whole


def test_a_body_is_registered_with_flytes_command(whole: Any) -> None:
    template = registered(whole, "s3://b/code.tar.gz")

    assert template.type == TASK_TYPE
    assert template.metadata.retries.retries == 3
    assert list(template.container.args)[:4] == [
        "pyflyte-fast-execute", "--additional-distribution", "s3://b/code.tar.gz", "--dest-dir",
    ]  # fmt: skip
    assert {pair.key: pair.value for pair in template.container.env} == {"C": "2"}


def test_a_body_is_registered_with_its_configuration(whole: Any) -> None:
    request = request_of(whole)

    assert dataclasses.asdict(request.python) == {
        "package": WHEEL,
        "env": {"A": "1"},
        "secrets": {"B": "s/k", "_FSEC_SCOPE_KEY": "scope/key"},
        "service_credential": "storage",
    }
    cluster = {"spark_version": "16.4.x-scala2.12", "node_type_id": "m6i.xlarge", "num_workers": 2}
    libraries = [{"pypi": {"package": "numpy"}}]
    main = {"task_key": "main", "new_cluster": cluster, "libraries": libraries}
    assert request.submit == {"run_name": "r", "tasks": [main]}
    assert (request.outputs.kind, request.on_code_failure) == ("file", "fail")
    assert request.repair is False


def test_serverless_and_this_version_are_the_default() -> None:
    @task(task_config=DatabricksJob())
    def test_default() -> int:
        return 1

    request = request_of(test_default)
    assert request.python.package.startswith("flyte-agent-databricks==")
    assert request.submit["tasks"] == [{"task_key": "main", "environment_key": "flyte"}]


def test_retries_of_every_error_are_a_wish() -> None:
    @task(task_config=DatabricksJob(on_code_failure="retry"))
    def test_wish() -> int:
        return 1

    assert request_of(test_wish).on_code_failure == "retry"


def body() -> int:
    return 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: task(task_config=DatabricksJob(), requests=Resources(cpu="1"))(body), "it is for pods of Flyte's"),
        (lambda: task(task_config=DatabricksJob(), pod_template_name="p")(body), "it is for pods of Flyte's"),
        (lambda: dynamic(task_config=DatabricksJob())(body), "Call the task in a @dynamic"),
        (lambda: task(task_config=DatabricksJob(), secret_requests=[Secret("g")])(body), "by scope and key"),
        (lambda: task(task_config=DatabricksJob(secrets={"A": "noscope"}))(body), "scope/key"),
        (lambda: DatabricksJob(env={"A": ["x"]}), r"DatabricksJob.env\['A'\]"),
        (lambda: DatabricksJob(compute="x"), r"ExistingCluster\('x'\)"),
        (lambda: task(task_config=DatabricksV2())(body), "one of existing_cluster_id, new_cluster"),
        (lambda: stock(git_source={"git_url": "x"}), "flytekitplugins-spark has registered"),
        (lambda: stock(run_nmae="x"), "Did you mean 'run_name'"),
        (lambda: task(task_config=DatabricksV2(databricks_auth_type="pat"))(body), "the secret that the service has"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_when_it_is_made(make: Any, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        make()


def stock(**conf: Any) -> Any:
    config = DatabricksV2(databricks_conf={"existing_cluster_id": "c-1", **conf})
    return task(task_config=config)(body)


def test_storage_must_be_where_the_workspace_can_read_it(
    bodies: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://dbc-1.cloud.databricks.com")
    with pytest.raises(InvalidConfig, match="--raw-output-data-prefix s3://"):
        bodies.fails(how="luck")


def test_a_workspace_that_only_the_task_names_is_told(capfd: Any) -> None:
    @task(task_config=DatabricksJob(host="https://dbc-1.cloud.databricks.com", spark=False))
    def test_named() -> int:
        return 1

    assert test_named() == 1
    assert "runs in this process: no DATABRICKS_HOST" in capfd.readouterr().err


def test_a_body_that_another_body_calls_stays_there(
    bodies: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://dbc-1.cloud.databricks.com")
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    with pytest.raises(ValueError, match="no luck today"):
        bodies.fails(how="luck")


def test_authors_load_no_library_of_the_vendor() -> None:
    """Nor pandas, nor PySpark: they are for the machine that computes."""
    code = (
        "import sys, flyte_agent_databricks as d; before = set(sys.modules)\n"
        "[getattr(d, name) for name in d.__all__ if name not in ('DatabricksAgent',)]\n"
        "print(sorted({'databricks.sdk', 'pandas', 'pyspark', 'requests'} & (set(sys.modules) - before)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]"


def test_the_stock_configuration_becomes_ours() -> None:
    cluster = {"spark_version": "13.3.x-scala2.12", "node_type_id": "m5.xlarge", "num_workers": 2}

    @task(
        task_config=DatabricksV2(
            spark_conf={"spark.x": "1"},
            databricks_conf={"run_name": "r", "new_cluster": cluster, "timeout_seconds": 60.0},
            databricks_instance="x.cloud.databricks.com",
            databricks_token_secret="databricks-token",
            databricks_service_credential_provider="storage",
        ),
        container_image="example.com/spark:1",
    )
    def test_stock(x: int) -> int:
        return x

    request = request_of(test_stock)
    assert (request.host, request.credentials) == ("x.cloud.databricks.com", "databricks-token")
    assert (request.timeout_s, request.python.service_credential) == (60, "storage")
    assert request.submit == {
        "run_name": "r",
        "tasks": [
            {
                "task_key": "main",
                "new_cluster": {
                    "spark_conf": {"spark.x": "1"},
                    **cluster,
                    "docker_image": {"url": "example.com/spark:1"},
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("conf", "compute"),
    [
        ({"existing_cluster_id": "c-1"}, ExistingCluster("c-1")),
        ({"environment_key": "k"}, Serverless(key="k")),
        (
            {
                "environments": [
                    {"environment_key": "e", "spec": {"client": "1", "dependencies": ["x"]}}
                ]
            },
            Serverless(["x"], key="e", options={"client": "1"}),
        ),
    ],
)
def test_the_compute_of_the_stock_configuration(conf: dict[str, Any], compute: Any) -> None:
    assert DatabricksV2(databricks_conf=conf).job().compute == compute


def test_a_notebook_of_the_stock_configuration() -> None:
    conf = {"existing_cluster_id": "c-1"}

    @task(
        task_config=DatabricksV2(
            databricks_conf=conf, notebook_path="/Workspace/a", notebook_base_parameters={"p": "1"}
        )
    )
    def test_notebook() -> int:
        return 0

    request = request_of(test_notebook)
    assert request.python is None
    assert request.outputs.kind == "exit_value"
    assert request.submit["tasks"] == [
        {
            "task_key": "main",
            "notebook_task": {"notebook_path": "/Workspace/a", "base_parameters": {"p": "1"}},
            "existing_cluster_id": "c-1",
        }
    ]

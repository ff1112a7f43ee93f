"""``@task(task_config=DatabricksJob(…))``: the body of an ordinary Python task, run by Databricks."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flytekit import PythonFunctionTask
from flytekit.configuration import FastSerializationSettings, ImageConfig, SerializationSettings
from flytekit.core.tracker import extract_task_module
from flytekit.core.utils import write_proto_to_file
from flytekit.exceptions.user import FlyteRecoverableException, FlyteUserRuntimeException
from flytekit.extend import TaskPlugins
from flytekit.tools.script_mode import compress_scripts

from flyte_agent_core import AgentTask, Attempt
from flyte_agent_core.fields import invalid

from .config import TASK_TYPE, JobRequest, OutputSource, PythonBody
from .raised import raised_by_body
from .runtime import is_databricks, spark_session
from .task_base import as_struct
from .task_compute import Serverless
from .task_config import DatabricksJob
from .task_request import ONLY_KEY, Places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyteidl.core.tasks_pb2 import TaskTemplate
    from flytekit.core.context_manager import ExecutionParameters, FlyteContext
    from flytekit.models.literals import LiteralMap

HOST_VARIABLES = ("DATABRICKS_HOST", "FLYTE_DATABRICKS_INSTANCE", "DATABRICKS_CONFIG_PROFILE")
"""Where a shell names the workspace that local runs go to."""


class DatabricksBodyTask(AgentTask[DatabricksJob], PythonFunctionTask[DatabricksJob]):
    """
    The task that ``@task(task_config=DatabricksJob(…))`` makes.

    On a cluster of Flyte's the agent starts a run whose process is :mod:`flyte_agent_databricks.run`.
    A local run does the same when the shell names a workspace (``DATABRICKS_HOST``); otherwise the
    body runs in this process, as that of any task does.
    """

    def __init__(self, task_config: DatabricksJob, task_function: Any, **kwargs: Any) -> None:
        where = f"task {getattr(task_function, '__name__', '?')!r}"
        check_options(where, task_config, kwargs)
        self._secrets = secrets_of(where, kwargs.get("secret_requests") or ())
        body_request(task_config, self._secrets)  # what is wrong with it is told here
        super().__init__(
            task_type=TASK_TYPE, task_config=task_config, task_function=task_function, **kwargs
        )

    @property
    def disable_deck(self) -> bool:
        """The opposite of ``enable_deck``; flytekit's entry point asks for it, and its own one warns."""
        return not self.enable_deck

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the request as Flyte keeps it."""
        return as_struct(body_request(self.task_config, self._secrets))

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: LiteralMap) -> Any:
        """Run the body here, or through the agent; see the class."""
        if self._runs_here(ctx):
            return self._run_here(ctx, input_literal_map)
        _check_storage(ctx, self.name)
        return super().dispatch_execute(_with_code(ctx, self), input_literal_map)

    def execute(self, **kwargs: Any) -> Any:
        """Run the body in this process."""
        return PythonFunctionTask.execute(self, **kwargs)

    def pre_execute(self, user_params: ExecutionParameters) -> ExecutionParameters:
        """Give the body its Spark session, as ``current_context().spark_session``."""
        wanted = self.task_config.spark
        if wanted is False:
            return user_params
        session = spark_session(self.name, self.task_config.spark_conf, make=wanted is True)
        if session is None:
            return user_params
        return user_params.builder().add_attr("SPARK_SESSION", session).build()

    def local_attempt(
        self, ctx: FlyteContext, template: Any, output_prefix: str, literals: LiteralMap
    ) -> Attempt:
        """Write the inputs to storage and fill the command in, as Flyte does on a cluster."""
        path = ctx.file_access.get_random_local_path()
        write_proto_to_file(literals.to_flyte_idl(), path)
        ctx.file_access.put_data(path, f"{output_prefix}/inputs.pb")
        made: TaskTemplate = template.to_flyte_idl()
        made.container.args[:] = [_rendered(arg, output_prefix) for arg in made.container.args]
        return super().local_attempt(ctx, made, output_prefix, literals)

    def _runs_here(self, ctx: FlyteContext) -> bool:
        is_local = ctx.execution_state is not None and ctx.execution_state.is_local_execution()
        if not is_local or is_databricks():
            return True
        if any(os.environ.get(name) for name in HOST_VARIABLES):
            return False
        if self.task_config.host:
            sys.stderr.write(f"[{self.name}] runs in this process: no {HOST_VARIABLES[0]} is set\n")
        return True

    def _run_here(self, ctx: FlyteContext, literals: LiteralMap) -> Any:
        try:
            return PythonFunctionTask.dispatch_execute(self, ctx, literals)
        except FlyteUserRuntimeException as error:
            raised_by_body.append(error.value)
            if self.task_config.on_code_failure != "retry":
                raise
            words = f"{type(error.value).__name__}: {error.value}"
            wish = FlyteUserRuntimeException(FlyteRecoverableException(words))
            raise wish from error.value


def body_request(config: DatabricksJob, secrets: Mapping[str, str]) -> JobRequest:
    """Return the request of a body, from its author's configuration."""
    if config.compute is None:
        config = dataclasses.replace(config, compute=Serverless())
    places = Places(config)
    task = places.place({"task_key": ONLY_KEY}, None, ())
    environments = [{"environment_key": k, "spec": v} for k, v in places.environments.items()]
    submit = {
        **config.run(),
        **({"run_name": config.run_name} if config.run_name else {}),
        **({"environments": environments} if environments else {}),
        "tasks": [task],
    }
    return config.request(
        submit=submit,
        python=PythonBody(
            package=_this_version() if config.package is None else config.package,
            env=config.env,
            secrets={**config.secrets, **secrets},
            service_credential=config.service_credential,
        ),
        outputs=OutputSource("file"),
        # As in a container: only what says that it is recoverable is tried again.
        on_code_failure=config.on_code_failure or "fail",
        # A repair would write its outputs where Flyte looked for those of the attempt before.
        repair=False,
    )


def _this_version() -> str:
    return f"flyte-agent-databricks=={importlib.metadata.version('flyte-agent-databricks')}"


_OF_PODS = {
    "requests": "NewCluster(node_type_id=…)",
    "limits": "NewCluster(node_type_id=…)",
    "resources": "NewCluster(node_type_id=…)",
    "accelerator": "NewCluster(node_type_id=…) with GPUs",
    "shared_memory": "NewCluster(node_type_id=…)",
    "pod_template": "NewCluster(…)",
    "pod_template_name": "NewCluster(…)",
}
"""What ``@task`` takes for pods of Flyte's, and what there is instead."""


def check_options(where: str, config: Any, options: Mapping[str, Any]) -> None:
    """
    Refuse what would be lost on Databricks.

    Raises:
        InvalidConfig: It would.
    """
    if not isinstance(config, DatabricksJob):
        raise invalid(f"{where}.task_config", config, "a DatabricksJob")
    for name, instead in _OF_PODS.items():
        if options.get(name) is not None:
            raise invalid(
                f"{where}: @task({name}=…)", options[name], "nothing: it is for pods of Flyte's",
                f"Say it in DatabricksJob(compute={instead}).",
            )  # fmt: skip
    mode = PythonFunctionTask.ExecutionBehavior.DEFAULT
    if options.get("execution_mode", mode) != mode:
        found = options["execution_mode"]
        raise invalid(f"{where}: execution_mode", found, "@task", "Call the task in a @dynamic.")


def secrets_of(where: str, requests: Sequence[Any]) -> dict[str, str]:
    """Return the variables in which ``current_context().secrets`` looks, and where Databricks has them."""
    made = {}
    for request in requests:
        if not request.group or not request.key:
            raise invalid(
                f"{where}: secret_requests", request, "Secret(group='scope', key='key')",
                "Databricks keeps secrets by scope and key.",
            )  # fmt: skip
        made[f"_FSEC_{request.group}_{request.key}".upper()] = f"{request.group}/{request.key}"
    return made


_PLACES = {
    "{{.input}}": "/inputs.pb",
    "{{.outputPrefix}}": "",
    "{{.rawOutputDataPrefix}}": "/raw_output",
    "{{.checkpointOutputPrefix}}": "/checkpoint_output",
    "{{.prevCheckpointPrefix}}": None,
}
"""What Flyte writes into a task's command, below the output prefix; a first try has no checkpoint."""


def _rendered(arg: str, prefix: str) -> str:
    if arg not in _PLACES:
        return arg
    place = _PLACES[arg]
    return "" if place is None else prefix + place


def _check_storage(ctx: FlyteContext, name: str) -> None:
    prefix = ctx.file_access.raw_output_prefix
    host = os.environ.get(HOST_VARIABLES[0]) or os.environ.get(HOST_VARIABLES[1]) or ""
    here = urlsplit(host if "//" in host else f"//{host}").hostname
    if here not in ("localhost", "127.0.0.1", "::1") and not ctx.file_access.is_remote(prefix):
        raise invalid(
            f"task {name!r}: raw output prefix",
            prefix,
            f"storage that {here or 'the workspace'} can read, since inputs and outputs go over it",
            "Run `pyflyte run --raw-output-data-prefix s3://bucket/prefix …`, or unset "
            f"{', '.join(HOST_VARIABLES)} to run the body in this process.",
        )


def _with_code(ctx: FlyteContext, task: DatabricksBodyTask) -> FlyteContext:
    """Return a context in which the task brings its code along, as after a fast registration."""
    settings = ctx.serialization_settings or SerializationSettings(ImageConfig.auto_default_image())
    if settings.should_fast_serialize():
        return ctx
    archive = ctx.file_access.get_random_local_path("code.tar.gz")
    pathlib.Path(archive).parent.mkdir(parents=True, exist_ok=True)
    compress_scripts(str(_source_root(task)), archive, list(sys.modules.values()))
    location = f"{ctx.file_access.get_random_remote_directory()}/code.tar.gz"
    ctx.file_access.put_data(archive, location)
    fast = FastSerializationSettings(
        enabled=True, destination_dir=".", distribution_location=location
    )
    made = settings.new_builder().with_fast_serialization_settings(fast).build()
    return ctx.new_builder().with_serialization_settings(made).build()


def _source_root(task: DatabricksBodyTask) -> pathlib.Path:
    """Return the folder from which the task's module is imported."""
    _, module, _, file = extract_task_module(task)
    path = pathlib.Path(file)
    names = module.split(".")
    return path.parents[len(names) if path.name == "__init__.py" else len(names) - 1]


TaskPlugins.register_pythontask_plugin(DatabricksJob, DatabricksBodyTask)

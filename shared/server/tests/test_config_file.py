"""``flyte-agent.toml``: flags before environment before file, and nothing unknown."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from flyte_agent_server import cli, config_file, policy
from flyte_agent_server.errors import ConfigFileError
from flyte_agent_server.settings import Settings

ROOT = Path(__file__).parents[3]


def settings(*args: str, **environment: str) -> Settings:
    """What the command would serve with."""
    found: list[Settings] = []
    params = [p for p in cli.serve.params if p.name]
    command = click.Command(
        "serve", params=params, callback=lambda **options: found.append(Settings(**options))
    )
    group = click.Group(commands={"serve": command}, context_settings=cli.main.context_settings)
    done = CliRunner().invoke(group, ["serve", *args], env=environment, prog_name="flyte-agent")
    assert not done.exit_code, done.output
    return found[0]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / config_file.NAME


def test_without_anything_the_defaults_hold(file: Path) -> None:
    assert settings() == Settings()


def test_flags_come_before_the_environment_before_the_file(file: Path) -> None:
    file.write_text(
        'host = "1.1.1.1"\nport = 1\ngrace_s = 1\ntokens = ["a", "b"]\nno_metrics = true\n'
        'agents = ["bigquery"]\n[policy]\ncontact = "me"\n'
    )
    made = settings("--port", "3", FLYTE_AGENT_SERVE_PORT="2", FLYTE_AGENT_SERVE_HOST="2.2.2.2")
    assert (made.port, made.host, made.grace_s) == (3, "2.2.2.2", 1.0)
    assert (made.tokens, made.agents, made.metrics_port) == (("a", "b"), ("bigquery",), None)
    assert made.config == config_file.NAME


def test_another_file_can_be_named(file: Path, tmp_path: Path) -> None:
    file.write_text("port = 1")
    other = tmp_path / "other.toml"
    other.write_text("port = 2")
    assert settings("--config", str(other)).port == 2
    assert settings(FLYTE_AGENT_SERVE_CONFIG=str(other)).port == 2
    assert settings().port == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", "found 'prot', which is unknown; did you mean 'port'?"),
        ("zzz = 1", "found 'zzz', which is unknown; known are: agents, "),
        ('port = "1"', "port: found '1', expected a whole number"),
        ("port = true", "port: found True, expected a whole number"),
        ('grace_s = "1m"', "grace_s: found '1m', expected a number of seconds"),
        ("no_metrics = 1", "no_metrics: found 1, expected true or false"),
        ('tokens = "a"', "tokens: found 'a', expected a list of texts"),
        ("tokens = [1]", "tokens: found [1], expected a list of texts"),
        ("host = 1", "host: found 1, expected a text"),
        ("port = ", "found text that is not TOML"),
        ('config = "x"', "found 'config', which is unknown"),
    ],
)
def test_mistakes_are_named_with_file_and_key(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigFileError, match=re.escape(says)) as error:
        config_file.read(file)
    assert str(error.value).startswith(str(file))


def test_a_file_that_is_missing_ends_the_command(installed: Any, tmp_path: Path) -> None:
    done = installed.run("serve", "--config", str(tmp_path / "nowhere.toml"))
    assert done.returncode == 1
    assert re.search(r"Error: .*nowhere\.toml: cannot be read: No such file", done.stderr)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port = 99999", "99999 is not in the range"),
        ("max_calls_per_agent = 0", "0 is not in the range"),
        ("threads_per_agent = -1", "-1 is not in the range"),
        ("max_wait_s = -0.5", "-0.5 is not in the range"),
    ],
)
def test_values_out_of_range_are_refused(installed: Any, file: Path, text: str, says: str) -> None:
    file.write_text(text)
    done = installed.run("serve", "--config", str(file))
    assert done.returncode == 2
    assert says in done.stderr


def test_limits_that_contradict_each_other_are_refused(installed: Any) -> None:
    done = installed.run("serve", "--max-calls", "10")
    assert done.returncode == 1
    assert "max_calls: found 10, expected at least max_calls_per_agent (1000)" in done.stderr


def table() -> str:
    """What the reference must say about each setting."""
    rows = ["| key | flag | environment | default | what it is |", "|---|---|---|---|---|"]
    options = {option.name: option for option in cli.serve.params}
    for field in dataclasses.fields(Settings):
        option: Any = options[field.name]
        key = "" if field.name == "config" else f"`{field.name}`"
        default = field.default
        shown = {(): "[]", "": '""', None: ""}.get(default, str(default).lower())  # type: ignore[call-overload]  # a default is any of these
        shown = f'"{default}"' if isinstance(default, str) else shown
        environment = f"FLYTE_AGENT_SERVE_{field.name.upper()}"
        rows.append(f"| {key} | `{option.opts[0]}` | `{environment}` | `{shown}` | {option.help} |")
    return "\n".join(rows)


def test_the_reference_lists_every_setting() -> None:
    assert {f.name for f in dataclasses.fields(Settings)} == {p.name for p in cli.serve.params}
    page = ROOT.joinpath("docs/reference/server-settings.md").read_text()
    assert table() in page, f"replace the table of that page by:\n{table()}"


def test_the_example_of_the_reference_is_a_file_that_works(file: Path) -> None:
    page = ROOT.joinpath("docs/reference/server-settings.md").read_text()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    file.write_text(example)
    assert settings().max_calls_per_agent == 200


def test_the_example_of_the_guide_is_a_file_that_works(file: Path) -> None:
    guide = ROOT.joinpath("docs/how-to/secure-the-service.md").read_text()
    (example,) = re.findall(r"```toml\n# flyte-agent\.toml\n(.*?)```", guide, re.DOTALL)
    file.write_text(example)
    assert config_file.read(file)["tokens"] == ["agent-callers"]
    made = policy.read(str(file))
    assert [rule.name for rule in made.rules] == ["finance", "guests"]
    assert made.default == "deny"

"""``flyte-agent doctor``: what is wrong, what to do, and an exit code."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from flyte_agent_reference.agent import EchoAgent

from flyte_agent_core.health import Finding
from flyte_agent_core.secrets import Secret
from flyte_agent_server import cli
from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.examination import Examined, examine, examine_service
from flyte_agent_server.startup import Assembly


def examined(agent: Any, timeout_s: float = 5.0) -> Examined:
    assembly = Assembly([], [], Catalogue([agent]))
    (found,) = asyncio.run(examine(assembly, timeout_s))
    return found


class Canary(EchoAgent):
    async def check_health(self) -> list[Finding]:
        """Say a secret, as the message of a vendor might."""
        said = f"refused {Secret('hunter2hunter2').reveal()}"
        return [Finding("credentials", "error", said, "Renew them.")]


class Stuck(EchoAgent):
    async def check_health(self) -> list[Finding]:
        """Never come back."""
        await asyncio.Event().wait()
        return []


class Broken(EchoAgent):
    async def check_health(self) -> list[Finding]:
        """Be wrong itself."""
        raise ZeroDivisionError("by zero")


def test_an_agent_that_has_nothing_to_look_at_is_well() -> None:
    assert examined(EchoAgent()) == Examined("Echo Agent", [])
    assert examined(EchoAgent()).is_well


@pytest.mark.parametrize(
    ("agent", "said"), [(Stuck(), "no answer within 0.05 s"), (Broken(), "ZeroDivisionError")]
)
def test_a_check_that_hangs_or_breaks_is_a_finding(agent: Any, said: str) -> None:
    found = examined(agent, 0.05)
    assert not found.is_well
    assert said in found.findings[0].message
    assert found.findings[0].repair


def test_secrets_are_not_told() -> None:
    (finding,) = examined(Canary()).findings
    assert finding.message == "refused ***"


def test_a_finding_says_the_repair() -> None:
    with pytest.raises(ValueError, match="expected one with 'error'"):
        Finding("clock", "error", "late")


def test_the_command_tells_a_broken_agent_and_fails(with_reference: Any) -> None:
    with_reference.module("broken_plugin", "raise ImportError('libfoo is missing')")
    with_reference.add("broken", flytekit__plugins={"broken": "broken_plugin"})
    done = with_reference.run("doctor", "--agent", "reference", "--agent", "broken", "--json")
    assert done.returncode == 1, done.stderr
    by_name = {each["agent"]: each for each in json.loads(done.stdout)}
    assert by_name["Echo Agent"] == {"agent": "Echo Agent", "well": True, "findings": []}
    assert "libfoo is missing" in by_name["broken"]["findings"][0]["message"]


def test_the_command_is_readable(with_reference: Any) -> None:
    done = with_reference.run("doctor", "--agent", "reference")
    assert done.returncode == 0, done.stderr
    assert "the service\n   ok   settings: defaults, flags and environment\n" in done.stdout
    assert "Reference Agent\n        it has nothing to look at\n" in done.stdout


def test_settings_that_would_not_start_are_a_finding(tmp_path: Path) -> None:
    cert, key = map(str, Authority(tmp_path).issue("service", days=-1))
    file = tmp_path / "flyte-agent.toml"
    file.write_text(f'tls_cert = "{cert}"\ntls_key = "{key}"\n')
    found = service(file)
    assert not found.is_well
    assert "a certificate that has ended" in found.findings[0].message
    file.write_text("prot = 1")
    assert "did you mean 'port'" in service(file).findings[0].message
    file.write_text("port = 99999")
    assert "not in the range" in service(file).findings[0].message


def test_what_the_service_has_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_CALLERS", "0123456789abcdef")
    cert, key = map(str, Authority(tmp_path).issue("service", days=3))
    file = tmp_path / "flyte-agent.toml"
    policy = '[[policy.rules]]\nname = "a"\nonly_task_types = ["x"]\n'
    file.write_text(f'tokens = ["callers"]\n{policy}')
    found = {each.check: each for each in service(file).findings}
    assert found["tls"].message == "tokens travel in plain text"
    assert (found["tokens"].message, found["policy"].message) == ("callers", "1 rules")
    monkeypatch.setenv("FLYTE_AGENT_SERVE_TLS_CERT", cert)
    monkeypatch.setenv("FLYTE_AGENT_SERVE_TLS_KEY", key)
    found = {each.check: each for each in service(file).findings}
    assert found["tls"].level == "warning"
    assert found["tls"].repair == "Renew it."


def service(file: Path) -> Examined:
    return examine_service(lambda: cli._settings_of_serve(str(file)))

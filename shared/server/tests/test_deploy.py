"""The image and the manifests: they fit each other, the command and what Flyte is told."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flyte_agent_server import cli, config_file, policy, propeller_config
from flyte_agent_server.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = Path(__file__).parents[1] / "deploy"
MANIFESTS = DEPLOY / "kubernetes"
PREFIX = "FLYTE_AGENT_SERVE_"


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions and what is after each."""
    text = DEPLOY.joinpath("Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def last(word: str) -> str:
    return [rest for found, rest in instructions() if found == word][-1]


def documents(text: str) -> Iterator[dict[str, Any]]:
    return (each for each in yaml.safe_load_all(text) if each)


def kustomized(folder: str | Path) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("needs kubectl")
    done = subprocess.run(
        [kubectl, "kustomize", str(MANIFESTS / folder)], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return list(documents(done.stdout))


def one(found: list[dict[str, Any]], kind: str, name: str = "flyte-agents") -> dict[str, Any]:
    (only,) = [d for d in found if d["kind"] == kind and d["metadata"]["name"].startswith(name)]
    return only


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def manifest(path: str) -> dict[str, Any]:
    (only,) = documents(MANIFESTS.joinpath(path).read_text())
    return only


def refuses_no_flag(args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse what a container is started with, as the command would."""
    assert args[0] == "serve"
    monkeypatch.chdir(MANIFESTS / "base")
    args = [Path(arg).name if arg.startswith("/etc/flyte-agent/") else arg for arg in args]
    cli.serve.make_context("serve", args[1:])


# -- the image ----------------------------------------------------------------------------------------


def test_the_image_runs_as_nobody_special() -> None:
    user, _, group = last("USER").partition(":")
    assert int(user) == int(group) == pod(manifest("base/deployment.yaml"))["securityContext"][
        "runAsUser"
    ] > 1000  # fmt: skip


def test_the_image_starts_the_service_and_asks_for_its_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert json.loads(last("ENTRYPOINT")) == ["flyte-agent"]
    refuses_no_flag(json.loads(last("CMD")), monkeypatch)
    check = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert check[0] == "flyte-agent"
    cli.main.commands[check[1]].make_context(check[1], check[2:])
    ports = {str(Settings.port), str(Settings.metrics_port)}
    assert set(last("EXPOSE").split()) == ports


def test_what_the_image_copies_is_there() -> None:
    copied = [rest.split()[0] for word, rest in instructions() if word == "COPY"]
    sources = [path for path in copied if not path.startswith("--from")]
    assert sources
    assert not [path for path in sources if not ROOT.joinpath(path).exists()]
    (agents,) = [rest for word, rest in instructions() if rest.startswith("AGENTS=")]
    for folder in shlex.split(agents.partition("=")[2])[0].split():
        assert ROOT.joinpath("agents", folder, "pyproject.toml").exists()


def test_what_the_image_installs_is_pinned() -> None:
    (install,) = [rest for word, rest in instructions() if word == "RUN" and "uv pip" in rest]
    words = install.split()
    for option in ("--constraint", "--build-constraint"):
        assert words[words.index(option) + 1] == "constraints.txt"
    assert not [word for word in words if word.startswith(("--index", "--extra-index", "http"))]


def test_the_guide_names_every_build_argument_and_component() -> None:
    guide = ROOT.joinpath("docs/how-to/deploy-the-service.md").read_text()
    rows = {line.split("`")[1] for line in guide.splitlines() if line.startswith("| `")}
    arguments = {rest.partition("=")[0] for word, rest in instructions() if word == "ARG"}
    components = {
        path.parent.name
        for path in MANIFESTS.glob("*/kustomization.yaml")
        if manifest(f"{path.parent.name}/kustomization.yaml")["kind"] == "Component"
    }
    assert rows == arguments | components


# -- the manifests ------------------------------------------------------------------------------------


def test_every_manifest_is_used() -> None:
    for kustomization in MANIFESTS.glob("*/kustomization.yaml"):
        (said,) = documents(kustomization.read_text())
        named = {
            *said.get("resources", ()),
            *(patch["path"] for patch in said.get("patches", ()) if "path" in patch),
            *(file for made in said.get("configMapGenerator", ()) for file in made["files"]),
        }
        there = {file.name for file in kustomization.parent.iterdir()} - {"kustomization.yaml"}
        assert {name for name in named if not name.startswith("../")} == there


def test_the_flags_in_the_manifests_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = pod(manifest("base/deployment.yaml"))["containers"]
    refuses_no_flag(container["args"], monkeypatch)
    known = {f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)}
    for patch in MANIFESTS.glob("*/deployment.yaml"):
        (patched,) = pod(manifest(f"{patch.parent.name}/deployment.yaml"))["containers"]
        assert {each["name"] for each in patched.get("env", ())} <= known


@pytest.mark.parametrize("folder", ["base", "example"])
def test_the_settings_in_the_manifests_are_understood(folder: str) -> None:
    file = MANIFESTS / folder / config_file.NAME
    assert config_file.read(file)["log_format"] == "json"
    policy.read(str(file))


def test_a_pod_has_the_time_to_end_what_it_began() -> None:
    spec = pod(manifest("base/deployment.yaml"))
    grace_s = config_file.read(MANIFESTS / "base" / config_file.NAME)["grace_s"]
    waits_s = int(spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert spec["terminationGracePeriodSeconds"] >= waits_s + grace_s + 10
    assert grace_s >= int(propeller_config._TIMEOUTS["CreateTask"].rstrip("s"))


def test_flyte_is_told_the_address_that_the_service_has() -> None:
    service = manifest("base/service.yaml")
    ports = {each["name"]: each["port"] for each in service["spec"]["ports"]}
    assert service["spec"]["clusterIP"] == "None"
    assert ports == {"grpc": Settings.port, "metrics": Settings.metrics_port}
    name, namespace = service["metadata"]["name"], manifest_of_example()["namespace"]
    address = f"dns:///{name}.{namespace}.svc.cluster.local:{ports['grpc']}"
    assert address == propeller_config.ENDPOINT


def manifest_of_example() -> dict[str, Any]:
    return manifest("example/kustomization.yaml")


# -- rendered -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["base", "example"])
def test_what_is_rendered_survives_a_replica(folder: str) -> None:
    found = kustomized(folder)
    deployment = one(found, "Deployment")
    scaled = [d for d in found if d["kind"] == "HorizontalPodAutoscaler"]
    least = scaled[0]["spec"]["minReplicas"] if scaled else deployment["spec"]["replicas"]
    assert least >= 2
    assert ("replicas" in deployment["spec"]) is not bool(scaled)
    assert one(found, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for kind in ("Service", "PodDisruptionBudget"):
        selector = one(found, kind)["spec"]["selector"]
        assert selector.get("matchLabels", selector).items() <= labels.items()


def test_secrets_are_referred_to_and_never_there() -> None:
    found = kustomized("example")
    assert not [d for d in found if d["kind"] == "Secret"]
    spec = pod(one(found, "Deployment"))
    mounted = {v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v}
    assert mounted == {"flyte-agents-secrets", "flyte-agents-tls"}
    (container,) = spec["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    paths = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(Path(environment[f"{PREFIX}TLS_CERT"]).parent) in paths
    # Kubernetes' gRPC probe speaks no TLS.
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert "grpc" not in container[probe]
        assert container[probe]["tcpSocket"]["port"] == Settings.port


def test_prometheus_may_read_what_asks_for_a_token() -> None:
    found = kustomized("example")
    (endpoint,) = one(found, "ServiceMonitor")["spec"]["endpoints"]
    (container,) = pod(one(found, "Deployment"))["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert endpoint["authorization"]["credentials"]["key"] in environment[f"{PREFIX}TOKENS"].split()
    assert "FlyteAgentPollsFail" in one(found, "ConfigMap", "flyte-agents-alerts")["data"][
        "alerts.yaml"
    ]  # fmt: skip


def test_callers_can_be_asked_for_certificates(tmp_path: Path) -> None:
    shutil.copytree(MANIFESTS, tmp_path / "kubernetes")
    overlay = tmp_path / "kubernetes" / "mine"
    overlay.mkdir()
    parts = {"resources": ["../base"], "components": ["../tls", "../client-certificates"]}
    overlay.joinpath("kustomization.yaml").write_text(yaml.safe_dump(parts))
    (container,) = pod(one(kustomized(overlay), "Deployment"))["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    made = Settings(
        tls_cert=environment[f"{PREFIX}TLS_CERT"],
        tls_client_ca=environment[f"{PREFIX}TLS_CLIENT_CA"],
        metrics_host=environment[f"{PREFIX}METRICS_HOST"],
    )
    assert made.metrics_address == "[::]"
    assert Path(made.tls_client_ca).parent == Path(made.tls_cert).parent


def test_a_changed_setting_is_rolled_out() -> None:
    found = kustomized("base")
    settings = one(found, "ConfigMap")["metadata"]["name"]
    assert settings != "flyte-agents-settings"
    volumes = pod(one(found, "Deployment"))["volumes"]
    assert settings in [v["configMap"]["name"] for v in volumes if "configMap" in v]

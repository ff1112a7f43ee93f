"""Whose rights a run has: by reference, for each Flyte project, in a workspace that may be named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flyte_agent_core import TaskError
from flyte_agent_core.secrets import Secret
from flyte_agent_databricks import kubernetes_api, stock_access
from flyte_agent_databricks.account import Account
from flyte_agent_databricks.client import DatabricksClient
from flyte_agent_databricks.credentials import WAYS, checked, from_secret, settings_of
from flyte_agent_databricks.links import HOSTS, allowed, run_links
from flyte_agent_databricks.managed_identity import Identity
from flyte_agent_testing.server import FakeServer, Reply, Request, route

HOST = "https://adb-1.2.azuredatabricks.net"


def test_a_token_in_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_P__D__TEAM", "canary-token-0")
    found = settings_of(Account(HOST, "team", "p", "d"))

    assert found == {"token": "canary-token-0", "auth_type": "pat", "host": HOST}


def test_projects_have_secrets_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_P__D__TEAM", "canary-token-0")

    with pytest.raises(TaskError, match="not known to the agent service"):
        settings_of(Account(HOST, "team", "other", "d"))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_the_unified_authentication(way: str) -> None:
    fields = dict.fromkeys(WAYS[way], "canary-value")

    assert checked(fields)["auth_type"] == way
    assert from_secret(Secret(json.dumps({**fields, "host": HOST})))["host"] == HOST


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("two words", "text with spaces"),
        ("", "text with spaces"),
        ("{not json", "no JSON object"),
        ('{"host": "https://a"}', "found no way to sign in"),
        ('{"token": "t", "databricks_cli_path": "/bin/sh"}', "found field 'databricks_cli_path'"),
        ('{"token": "t", "profile": "x"}', "found field 'profile'"),
        ('{"auth_type": "external-browser"}', "found no way to sign in"),
    ],
)
def test_secrets_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(TaskError, match="Store a personal access token") as caught:
        from_secret(Secret(text))
    assert said in str(caught.value)


def test_no_workspace_is_told() -> None:
    with pytest.raises(TaskError, match="DATABRICKS_HOST"):
        settings_of(Account())


@pytest.mark.parametrize(
    "host",
    [
        "dbc-1.cloud.databricks.com",
        HOST,
        "1.1.gcp.databricks.com",
        "https://ws.corp.example",
        "https://a.b.example",
    ],
)
def test_workspaces_that_a_task_may_name(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOSTS, "ws.corp.example, *.b.example")

    assert allowed(host).startswith("https://")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "http://adb-1.2.azuredatabricks.net",
        "https://azuredatabricks.net.evil.example",
        "https://x.a.b.example",
    ],
)
def test_tokens_are_not_sent_to_anybody_else(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOSTS, "*.b.example")

    with pytest.raises(TaskError, match="Tokens would be sent there"):
        settings_of(Account(host))


def test_links_without_a_page() -> None:
    assert run_links(HOST, "7", "javascript:x") == {"Databricks run": f"{HOST}/jobs/runs/7"}
    assert run_links("", "7", "") == {}


class Kubernetes(FakeServer):
    """Secrets and service accounts, and the identity service of an Azure machine."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: dict[str, dict[str, str]] = {}
        self.accounts: list[dict[str, Any]] = []

    @route("GET", "/api/v1/namespaces/{namespace}/secrets/{name}", inline=True)
    def secret(self, request: Request, namespace: str, name: str) -> Reply:
        import base64

        found = self.secrets.get(f"{namespace}/{name}")
        if found is None:
            return Reply(404, {})
        return Reply(
            200, {"data": {k: base64.b64encode(v.encode()).decode() for k, v in found.items()}}
        )

    @route("GET", "/api/v1/namespaces/{namespace}/serviceaccounts", name="accounts", inline=True)
    def list(self, request: Request, namespace: str) -> Reply:
        return Reply(200, {"items": self.accounts})

    @route(
        "POST",
        "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
        name="token",
        inline=True,
    )
    def token(self, request: Request, namespace: str, name: str) -> Reply:
        if name == "nobody":
            return Reply(403, {})
        return Reply(201, {"status": {"token": "canary-jwt-of-" + name}})

    @route("GET", "/metadata/identity/oauth2/token", name="azure", inline=True)
    def azure(self, request: Request) -> Reply:
        if request.query.get("client_id") == "nobody":
            return Reply(400, {})
        return Reply(
            200,
            {
                "access_token": "canary-" + request.query["resource"][:5],
                "expires_on": "99999999999",
            },
        )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    (tmp_path / "token").write_text("canary-of-the-service")
    with Kubernetes() as server:
        host, port = server.url.removeprefix("http://").split(":")
        for name, value in {
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_SCHEME": "http",
            "FLYTE_AGENT_KUBERNETES_ACCOUNT_DIR": str(tmp_path),
            "AZURE_POD_IDENTITY_AUTHORITY_HOST": server.url,
        }.items():
            monkeypatch.setenv(name, value)
        yield server


def stock(custom: dict[str, Any], namespace: str = "ns") -> Account:
    return Account(HOST, "", "p", "d", stock_access.said(custom, namespace))


def test_a_namespaces_token_comes_before_the_services(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stock_access.TOKEN, "canary-of-the-service")
    assert settings_of(stock({}))["token"] == "canary-of-the-service"

    cluster.secrets["ns/databricks-token"] = {"token": "canary-of-ns"}
    cluster.secrets["ns/own"] = {"token": "canary-own"}

    assert settings_of(stock({}))["token"] == "canary-of-ns"
    assert settings_of(stock({"databricksTokenSecret": "own"}))["token"] == "canary-own"


def test_a_namespaces_oauth_client(cluster: Any) -> None:
    custom = {"databricksAuthType": "oauth_m2m"}
    with pytest.raises(TaskError, match="keys 'client_id', 'client_secret'"):
        settings_of(stock(custom))

    cluster.secrets["ns/databricks-oauth"] = {"client_id": "c", "client_secret": "canary-s"}

    found = settings_of(stock(custom))
    assert (found["client_id"], found["auth_type"]) == ("c", "oauth-m2m")


def labelled(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {"flyte.org/databricks-client-id": "c"}}}


def test_a_labelled_service_account_signs_in(cluster: Any) -> None:
    cluster.accounts = [labelled("runner")]
    custom = {"databricksAuthType": "oidc_federation"}

    found = settings_of(stock(custom))

    assert (found["auth_type"], found["service_account"]) == ("kubernetes-oidc", "ns/runner")
    cluster.accounts.append(labelled("other"))
    with pytest.raises(TaskError, match="ns/other, ns/runner, expected one"):
        settings_of(stock(custom))


def test_a_service_accounts_token_is_exchanged(
    cluster: Any, vendor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    fields = {
        "service_account": "ns/runner",
        "client_id": "sp-1",
        "auth_type": "kubernetes-oidc",
        "host": vendor.url,
    }

    client = DatabricksClient(fields)

    assert client.sign_in() == "kubernetes-oidc"
    assert client.me()["userName"]
    assert cluster.counts()["token"] >= 1


def test_a_token_that_may_not_be_made_is_told(cluster: Any) -> None:
    with pytest.raises(TaskError, match="serviceaccounts/token"):
        kubernetes_api.service_account_token("ns", "nobody", "databricks")


def test_a_token_file_signs_in(
    cluster: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "jwt"
    file.write_text("canary-jwt")
    custom = {
        "databricksAuthType": "oidc_federation",
        "databricksClientId": "c",
        "databricksOidcTokenFile": str(file),
    }

    found = settings_of(stock(custom))

    assert (found["auth_type"], found["oidc_token_filepath"]) == ("file-oidc", str(file))
    with pytest.raises(TaskError, match="labelled service account"):
        settings_of(stock({"databricksAuthType": "oidc_federation"}))


def test_a_token_file_is_exchanged(
    vendor: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    (tmp_path / "jwt").write_text("canary-jwt")
    fields = {
        "oidc_token_filepath": str(tmp_path / "jwt"),
        "client_id": "sp-1",
        "host": vendor.url,
        "auth_type": "file-oidc",
    }

    assert DatabricksClient(fields).me()["userName"]


def test_an_unknown_way_is_a_mistake() -> None:
    with pytest.raises(TaskError, match="databricksAuthType: found 'kerberos'"):
        stock_access.said({"databricksAuthType": "kerberos"}, "")


def test_without_kubernetes_nothing_is_asked() -> None:
    assert kubernetes_api.secret("ns", "name", "key") is None
    with pytest.raises(TaskError, match="FLYTE_DATABRICKS_ACCESS_TOKEN"):
        settings_of(stock({}))


def test_a_machines_identity(cluster: Any, vendor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = Identity("", "/subscriptions/1")()

    assert headers["Authorization"].startswith("Bearer canary-")
    assert len(headers) == 3
    assert cluster.counts()["azure"] == 2
    with pytest.raises(ValueError, match="answered 400"):
        Identity("nobody", "")()
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("ARM_USE_MSI", "true")
    found = settings_of(Account())
    assert found["auth_type"] == "azure-msi"
    vendor.access.tokens["canary-2ff81"] = vendor.access.tokens[vendor.token]
    assert DatabricksClient(found).me()["userName"]


def test_the_plugins_variable_is_the_services_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_DATABRICKS_INSTANCE", "adb-1.2.azuredatabricks.net")
    monkeypatch.setenv(stock_access.TOKEN, "canary-token-0")

    assert settings_of(Account()) == {"token": "canary-token-0", "auth_type": "pat", "host": HOST}

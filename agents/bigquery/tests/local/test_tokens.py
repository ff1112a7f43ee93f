"""Tokens: google-auth against the stand-in, with a key, with workload identity, impersonated."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import identity_pool
from google.cloud import bigquery
from google.oauth2 import service_account

from flyte_agent_bigquery.local import LocalBigQuery

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@pytest.fixture(scope="module")
def guarded():
    with LocalBigQuery(require_auth=True) as server:
        yield server


def client_with(server, credentials):
    return bigquery.Client("local", credentials, client_options={"api_endpoint": server.url})


def one(client):
    with client:
        return [tuple(row) for row in client.query_and_wait("SELECT 1")]


@pytest.fixture(scope="module")
def key():
    private = rsa.generate_private_key(65537, 2048)
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_a_request_without_a_token_is_refused(guarded):
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        urllib.request.urlopen(f"{guarded.url}/bigquery/v2/projects")
    error = json.loads(caught.value.read())["error"]
    assert (error["code"], error["errors"][0]["reason"]) == (401, "authError")
    caught.value.close()


def test_a_service_account_key_gets_a_token(guarded, key):
    info = {
        "type": "service_account", "client_email": "a@b.invalid", "private_key": key,
        "token_uri": f"{guarded.url}/token", "project_id": "local",
    }  # fmt: skip
    credentials = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
    assert one(client_with(guarded, credentials)) == [(1,)]
    assert guarded.count("oauth.token") == 1


def test_workload_identity_gets_a_token_and_may_impersonate(guarded, tmp_path):
    subject = tmp_path / "token"
    subject.write_text("a-token-of-somebody-else")
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{guarded.url}/v1/token",
        "service_account_impersonation_url": (
            f"{guarded.url}/v1/projects/-/serviceAccounts/a@b.invalid:generateAccessToken"
        ),
        "credential_source": {"file": str(subject)},
    }  # fmt: skip
    credentials = identity_pool.Credentials.from_info(info, scopes=[SCOPE])
    assert one(client_with(guarded, credentials)) == [(1,)]
    assert (guarded.count("sts.token"), guarded.count("iam.generateAccessToken")) == (1, 1)


def post(url, content):
    request = urllib.request.Request(url, content, method="POST")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
    ],
)
def test_a_mistaken_exchange_is_told_as_oauth_tells_it(guarded, form, error):
    status, answer = post(f"{guarded.url}/token", urllib.parse.urlencode(form).encode())
    assert (status, answer["error"]) == (400, error)


def test_impersonation_needs_a_scope(guarded):
    url = f"{guarded.url}/v1/projects/-/serviceAccounts/x:generateAccessToken"
    request = urllib.request.Request(
        url, b"{}", {"Authorization": f"Bearer {guarded.issue_token()}"}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request)
    caught.value.close()

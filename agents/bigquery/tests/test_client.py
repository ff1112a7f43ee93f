"""The vendor's library on the wire: credentials, time limits, connections."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flyte_agent_bigquery.client import BigQueryClient
from flyte_agent_bigquery.credentials import load
from flyte_agent_bigquery.errors import DuplicateJob
from flyte_agent_core import JobNotFound, ProtocolError, RetryableError, TaskError, observe, rpc
from flyte_agent_core.secrets import Secret

QUERY = {"query": {"query": "SELECT 1", "useLegacySql": False}}


@pytest.fixture
def client(vendor):
    return BigQueryClient.open(None)


def keyed(vendor, key, **changes):
    """A client with a service account's key whose tokens come from the stand-in."""
    info = {**key, "token_uri": f"{vendor.url}/token", **changes}
    return BigQueryClient.open(Secret(json.dumps(info)))


def authorizations(vendor, route="get"):
    return [r.headers.get("authorization") for r in vendor.requests if r.route == route]


# -- calls ------------------------------------------------------------------------------------------------


def test_a_job_goes_in_as_rest_describes_it(client, vendor, ref):
    """Also fields that the installed library does not know."""
    configuration = {**QUERY, "maxSlots": 5, "fieldOfTomorrow": {"a": [1]}, "labels": {"a": "b"}}

    job = client.insert_job(ref, configuration)

    (request,) = vendor.requests
    assert request.json == {
        "jobReference": {"projectId": "p-1", "jobId": "job-1", "location": "US"},
        "configuration": configuration,
    }
    assert job["jobReference"]["location"] == "US"


def test_a_location_that_is_not_known_is_left_to_bigquery(client, vendor, ref):
    vendor.location = "europe-west4"

    job = client.insert_job(ref._replace(location=""), QUERY)

    assert job["jobReference"]["location"] == "europe-west4"


def test_a_dry_run_makes_no_job(client, vendor):
    vendor.estimate_bytes = 42

    assert client.dry_run("p-1", "EU", QUERY)["statistics"]["query"]["totalBytesProcessed"] == "42"
    assert not vendor.jobs
    assert vendor.requests[0].json["jobReference"] == {"projectId": "p-1", "location": "EU"}


def test_one_request_finds_a_job(client, vendor, ref):
    client.insert_job(ref, QUERY)
    vendor.forget()

    client.get_job(ref)

    (request,) = vendor.requests
    assert request.path == "/bigquery/v2/projects/p-1/jobs/job-1"
    assert request.query["location"] == "US"


def test_names_from_metadata_cannot_change_the_address(client, vendor, ref):
    with pytest.raises(JobNotFound):
        client.get_job(ref._replace(job_id="../datasets/x?y=1#z"))

    assert vendor.requests[0].path.startswith("/bigquery/v2/projects/p-1/jobs/")
    assert "y" not in vendor.requests[0].query


def test_projects_of_a_domain_keep_their_colon(client, vendor, ref):
    client.insert_job(ref._replace(project="example.com:p-1"), QUERY)

    assert vendor.requests[0].path == "/bigquery/v2/projects/example.com:p-1/jobs"


def test_a_duplicate_says_where_the_job_is(client, ref):
    client.insert_job(ref, QUERY)

    with pytest.raises(DuplicateJob) as duplicate:
        client.insert_job(ref, QUERY)

    assert duplicate.value.location == "US"


def test_a_request_names_the_span_of_its_call(client, vendor, ref):
    """A service that makes traces says which headers those are."""
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    observe.trace_with(lambda name, attributes: contextlib.nullcontext(), lambda: headers)
    try:
        client.insert_job(ref, QUERY)
    finally:
        observe.trace_with(None)
    client.get_job(ref)

    sent = [request.headers.get("traceparent") for request in vendor.requests]
    assert sent == [headers["traceparent"], None]


def test_requests_say_who_sends_them(client, vendor, ref):
    client.insert_job(ref, QUERY)

    assert vendor.requests[0].headers["user-agent"].startswith("flyte-agent-bigquery/")
    assert "(GPN:Union;)" in vendor.requests[0].headers["user-agent"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'"text"', b"", b"{"])
def test_an_answer_that_is_no_object_is_a_protocol_error(client, vendor, ref, body):
    """A proxy in between may send anything."""
    client.insert_job(ref, QUERY)
    vendor.jobs[ref.job_id] = Garbled(body)

    with pytest.raises(ProtocolError):
        client.get_job(ref)


class Garbled(dict):
    """A job whose answer is not what it should be."""

    def __init__(self, body):
        super().__init__(jobReference={"location": "US"})
        self.body = body


# -- connections and time -----------------------------------------------------------------------------------


def test_connections_are_kept(client, vendor, ref):
    client.insert_job(ref, QUERY)
    for _ in range(20):
        client.get_job(ref)

    assert vendor.connections == 1


def test_as_many_connections_are_kept_as_there_are_threads(client, vendor, ref):
    """The library's own session keeps ten and throws the others away."""
    client.insert_job(ref, QUERY)
    vendor.latency_s = 0.02
    with ThreadPoolExecutor(24) as threads:
        for _ in range(4):
            list(threads.map(lambda _: client.get_job(ref), range(24)))

    assert vendor.connections <= 25


def test_a_lookup_goes_on_over_a_connection_that_died(client, vendor, ref):
    client.insert_job(ref, QUERY)
    vendor.faults.add("get", drop_connection=True)

    assert client.get_job(ref)["jobReference"]["jobId"] == "job-1"


def test_an_insert_is_never_sent_twice(client, vendor, ref):
    vendor.faults.add("insert", drop_connection="after")

    with pytest.raises(RetryableError):
        client.insert_job(ref, QUERY)

    assert vendor.count("insert") == 1


@pytest.mark.parametrize("route", ["insert", "get", "cancel", "results", "list"])
def test_no_call_outlives_its_rpc(client, vendor, ref, route):
    """The library's own retries run for ten minutes."""
    vendor.faults.add(route, delay_s=30.0)
    call = {
        "insert": lambda: client.insert_job(ref, QUERY),
        "get": lambda: client.get_job(ref),
        "cancel": lambda: client.cancel_job(ref),
        "results": lambda: client.result_page(ref, 1),
        "list": lambda: client.child_jobs(ref),
    }[route]

    with rpc.serving(0.4) as serving, pytest.raises(RetryableError) as late:
        call()

    assert rpc.time.monotonic() < serving.ends_s + 0.3
    assert late.value.code == "BIGQUERY.UNREACHABLE"
    assert vendor.count(route) == 1


def test_a_call_without_time_is_not_sent(client, vendor, ref):
    with rpc.serving(0.0), pytest.raises(RetryableError):
        client.get_job(ref)

    assert vendor.count() == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_librarys_own_retries_are_not_used(client, vendor, ref, status):
    vendor.faults.add("get", status=status, times=None)

    with pytest.raises(RetryableError):
        client.get_job(ref)

    assert vendor.count("get") == 1


# -- credentials --------------------------------------------------------------------------------------------


def test_no_token_travels_over_plain_http_unasked(client, vendor, ref):
    client.insert_job(ref, QUERY)

    assert authorizations(vendor, "insert") == [None]


def test_the_credentials_name_the_default_project(vendor, service_account_key, monkeypatch):
    assert keyed(vendor, service_account_key).project == "p-of-key"
    assert BigQueryClient.open(None).project == ""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-of-environment")
    assert BigQueryClient.open(None).project == "p-of-environment"


def test_the_services_own_credentials_are_googles_default(
    vendor, service_account_key, tmp_path, monkeypatch
):
    """Away from a stand-in; nothing is sent here."""
    (tmp_path / "key.json").write_text(
        json.dumps({**service_account_key, "token_uri": "https://x"})
    )
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))

    assert BigQueryClient.open(None).project == "p-of-key"


def test_a_service_without_credentials_says_so(vendor, tmp_path, monkeypatch):
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))

    with pytest.raises(TaskError) as failed:
        BigQueryClient.open(None)

    assert failed.value.code == "BIGQUERY.CREDENTIALS"


def test_one_token_serves_all_threads(vendor, service_account_key, ref):
    client = keyed(vendor, service_account_key)
    start = threading.Barrier(16)
    vendor.faults.add("token", delay_s=0.1)

    def poll(_):
        start.wait()
        with pytest.raises(JobNotFound):
            client.get_job(ref)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(poll, range(16)))

    assert vendor.count("token") == 1
    assert set(authorizations(vendor)) == {"Bearer token-1"}


def test_a_token_is_replaced_before_it_ends(vendor, service_account_key, ref):
    """With 280 s to live we fetch the next one; if that fails, the old one still serves."""
    client = keyed(vendor, service_account_key)
    vendor.token_life_s = 280
    vendor.faults.add("token", drop_connection=True, after=1)
    for _ in range(3):
        with pytest.raises(JobNotFound):
            client.get_job(ref)

    assert authorizations(vendor) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


def test_a_refused_token_is_replaced_once(vendor, service_account_key, ref):
    client = keyed(vendor, service_account_key)
    client.insert_job(ref, QUERY)
    vendor.faults.add("get", status=401, reason="authError", times=1)

    client.get_job(ref)

    assert vendor.count("token") == 2
    assert authorizations(vendor) == ["Bearer token-1", "Bearer token-2"]


def test_a_token_that_stays_refused_is_the_users_to_repair(vendor, service_account_key, ref):
    client = keyed(vendor, service_account_key)
    vendor.faults.add("get", status=401, reason="authError", times=None)

    with pytest.raises(TaskError) as refused:
        client.get_job(ref)

    assert refused.value.code == "BIGQUERY.AUTH_ERROR"
    assert vendor.count("get") == 2


def test_a_sign_in_that_does_not_answer_passes(vendor, service_account_key, ref):
    client = keyed(vendor, service_account_key)
    vendor.faults.add("token", drop_connection=True, times=None)

    with pytest.raises(RetryableError) as failed:
        client.get_job(ref)

    assert failed.value.code == "BIGQUERY.SIGN_IN_UNREACHABLE"


def test_a_refused_key_is_the_users_to_repair(vendor, service_account_key, ref):
    client = keyed(vendor, service_account_key)
    vendor.faults.add("token", status=400, reason="invalid_grant", times=None)

    with pytest.raises(TaskError) as refused:
        client.get_job(ref)

    assert refused.value.code == "BIGQUERY.CREDENTIALS"


def test_service_accounts_are_impersonated_in_a_chain(vendor, service_account_key, ref):
    info = {**service_account_key, "token_uri": f"{vendor.url}/token"}
    chain = ("first@p.iam.gserviceaccount.com", "last@p.iam.gserviceaccount.com")
    client = BigQueryClient.open(Secret(json.dumps(info)), chain)

    client.insert_job(ref, QUERY)

    (asked,) = [r for r in vendor.requests if r.route == "impersonate"]
    assert "last@p" in asked.path
    assert asked.json["delegates"] == ["projects/-/serviceAccounts/first@p.iam.gserviceaccount.com"]
    assert authorizations(vendor, "insert")[0].startswith("Bearer as-last@p")


def test_workload_identity_federation_signs_in(vendor, tmp_path, ref):
    (tmp_path / "oidc").write_text("an OIDC token")
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{vendor.url}/token",
        "credential_source": {"file": str(tmp_path / "oidc")},
    }
    client = BigQueryClient.open(Secret(json.dumps(info)))

    client.insert_job(ref, QUERY)

    assert authorizations(vendor, "insert") == ["Bearer token-1"]


def test_user_credentials_are_taken():
    """Their token server is always Google's: the library does not read another one."""
    info = {
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "a-client-secret",
        "refresh_token": "a-refresh-token",
        "quota_project_id": "p-of-user",
    }

    credentials, project = load(Secret(json.dumps(info)))

    assert credentials.refresh_token == "a-refresh-token"
    assert project == "p-of-user"


def test_a_configuration_that_impersonates_brings_its_own_source(vendor, service_account_key, ref):
    source = {**service_account_key, "token_uri": f"{vendor.url}/token"}
    info = {
        "type": "impersonated_service_account",
        "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
        "etl@p.iam.gserviceaccount.com:generateAccessToken",
        "delegates": [],
        "source_credentials": source,
    }

    BigQueryClient.open(Secret(json.dumps(info))).insert_job(ref, QUERY)

    assert authorizations(vendor, "insert")[0].startswith("Bearer as-etl@p")


EXECUTABLE = {
    "type": "external_account",
    "audience": "a",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"executable": {"command": "/bin/sh -c 'rm -rf ~'"}},
}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("not json at all, a canary", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{}", "found type 'None'"),
        ('{"type": "gdch_service_account"}', "found type 'gdch_service_account'"),
        ('{"type": "service_account"}', "not complete"),
        ('{"type": "authorized_user", "client_id": "canary"}', "not complete"),
        (json.dumps(EXECUTABLE), "runs a program"),
        (json.dumps({**EXECUTABLE, "credential_source": {"file": "x"}, "token_url": "https://evil.example/t"}),
         "'evil.example'"),
        (json.dumps({**EXECUTABLE, "credential_source": {"file": "x"}, "token_url": "http://sts.googleapis.com/t"}),
         "expected an https address"),
        (json.dumps({**EXECUTABLE, "credential_source": {"file": "x"}, "token_url": "https://googleapis.com.evil.example"}),
         "'googleapis.com.evil.example'"),
        ('{"type": "impersonated_service_account"}', "not complete"),
    ],
)  # fmt: skip
def test_unusable_secrets_are_refused_without_showing_them(vendor, content, found):
    with pytest.raises(TaskError) as refused:
        load(Secret(content))

    assert found in str(refused.value)
    assert "canary" not in str(refused.value)
    assert refused.value.code == "BIGQUERY.CREDENTIALS"


def test_a_broken_key_is_refused_without_showing_it(vendor, service_account_key):
    broken = service_account_key["private_key"].replace("A", "B")

    with pytest.raises(TaskError) as refused:
        keyed(vendor, service_account_key, private_key=broken)

    assert broken[40:80] not in str(refused.value)


def test_a_bug_of_ours_stays_a_bug(client, ref):
    with pytest.raises(TypeError):
        client.insert_job(ref, {"query": {"query": object()}})


def test_no_secret_is_logged(vendor, service_account_key, ref, caplog):
    caplog.set_level(logging.DEBUG)
    client = keyed(vendor, service_account_key)
    vendor.faults.add("get", status=403, reason="accessDenied")
    with pytest.raises(TaskError):
        client.get_job(ref)

    assert "token-1" not in caplog.text
    assert service_account_key["private_key"][40:80] not in caplog.text


def test_importing_the_agent_loads_no_vendor_library():
    """flytekit imports it in every process."""
    script = """
import sys, types
sys.modules["flytekitplugins.bigquery"] = types.ModuleType("not loaded: it brings the library itself")
import flytekit, flyte_agent_bigquery.plugin
print(*sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert not {"google.cloud.bigquery", "google.auth"} & set(loaded.stdout.split())

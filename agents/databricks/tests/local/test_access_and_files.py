"""Tokens and permissions; files of the workspace, of volumes and of DBFS; faults."""

from __future__ import annotations

import base64
import io
import socket

import pytest
from databricks.sdk.errors import (
    BadRequest,
    DatabricksError,
    NotFound,
    PermissionDenied,
    Unauthenticated,
)
from databricks.sdk.service import iam, jobs
from databricks.sdk.service.jobs import JobAccessControlRequest, JobPermissionLevel
from databricks.sdk.service.workspace import ImportFormat, Language

from flyte_agent_databricks.local.sandbox import DatabricksSandbox


def test_a_token_says_who_one_is(desk):
    me: iam.User = desk.client.current_user.me()
    assert me.user_name == "local@workspace.invalid"


def test_a_secret_of_a_client_is_exchanged_for_tokens(desk, write):
    client = write.client(desk.server, client_id="sp-1", client_secret="secret-1")
    assert client.current_user.me().user_name == "sp-1"
    with pytest.raises(ValueError, match="invalid_client"):
        write.client(desk.server, client_id="sp-1", client_secret="wrong").current_user.me()


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (
            {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "subject_token": "jwt",
            },
            200,
        ),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"}, 400),
        (
            {"grant_type": "client_credentials", "client_id": "sp-1", "client_secret": "secret-1"},
            200,
        ),
        ({"grant_type": "password"}, 400),
    ],
)
def test_the_token_endpoint_knows_its_grants(desk, form, status):
    import requests

    reply = requests.post(f"{desk.server.url}/oidc/v1/token", form, timeout=10)
    assert reply.status_code == status
    assert ("access_token" in reply.json()) == (status == 200)
    broken = requests.post(
        f"{desk.server.url}/oidc/v1/token",
        {"grant_type": "client_credentials"},
        headers={"Authorization": "Basic %%%"},
        timeout=10,
    )
    assert broken.status_code == 401


def test_without_a_good_token_nothing_is_told(desk, write):
    import requests

    assert requests.get(f"{desk.server.url}/api/2.2/jobs/list", timeout=10).status_code == 401
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        write.client(desk.server, token="dapi-other").current_user.me()
    token = desk.server.access.issue("ann@example.org")
    client = write.client(desk.server, token=token)
    assert client.current_user.me().user_name == "ann@example.org"
    desk.server.access.expire(token)
    with pytest.raises(Unauthenticated, match="Token is expired"):
        client.current_user.me()
    desk.server.access.expire()
    with pytest.raises(Unauthenticated, match="Token is expired"):
        desk.client.current_user.me()


def test_a_route_can_be_denied(desk, write):
    desk.server.access.deny("runs.submit", "local@workspace.invalid")
    with pytest.raises(PermissionDenied, match=r"does not have permission for runs\.submit"):
        desk.submit(write.notebook("/n"))
    desk.server.access.allow("runs.submit")
    assert desk.submit(write.notebook("/n"))


def test_jobs_and_runs_are_their_owners_and_those_who_are_let(desk, write):
    desk.server.script.add()
    other = write.client(desk.server, token=desk.server.access.issue("ann@example.org"))
    task = jobs.Task.from_dict(write.jar("a"))
    job = desk.client.jobs.create(name="mine", tasks=[task]).job_id
    with pytest.raises(PermissionDenied, match="does not have CAN_VIEW permission on job"):
        other.jobs.get(job)
    let = JobAccessControlRequest(
        user_name="ann@example.org", permission_level=JobPermissionLevel.CAN_MANAGE_RUN
    )
    desk.client.jobs.update_permissions(str(job), access_control_list=[let])
    run_id = other.jobs.run_now(job).run_id
    assert desk.ended(run_id).creator_user_name == "ann@example.org"
    with pytest.raises(PermissionDenied, match="IS_OWNER"):
        other.jobs.delete(job)
    found = desk.client.jobs.get_permissions(str(job)).access_control_list
    levels = {each.user_name: each.all_permissions[0].permission_level.value for each in found}
    assert levels == {"local@workspace.invalid": "IS_OWNER", "ann@example.org": "CAN_MANAGE_RUN"}
    desk.client.jobs.set_permissions(str(job), access_control_list=[])
    with pytest.raises(PermissionDenied):
        other.jobs.get(job)


def test_a_submitted_run_has_permissions_too(desk, write):
    desk.server.hold_runs("PENDING")
    acl = [{"group_name": "users", "permission_level": "CAN_VIEW"}]
    run_id = desk.submit(write.notebook("/n"), access_control_list=acl)
    other = write.client(desk.server, token=desk.server.access.issue("ann@example.org"))
    assert other.jobs.get_run(run_id).run_id == run_id
    with pytest.raises(PermissionDenied, match="CAN_MANAGE_RUN"):
        other.jobs.cancel_run(run_id)
    job_id = str(desk.server.run(run_id).job_id)
    groups = [
        each.group_name for each in desk.client.jobs.get_permissions(job_id).access_control_list
    ]
    assert "users" in groups
    with pytest.raises(NotFound):
        desk.client.jobs.get_permissions("12")
    with pytest.raises(BadRequest, match="access_control_list"):
        desk.submit(write.notebook("/n"), access_control_list=[{"permission_level": "ALL"}])


def test_jobs_are_kept_changed_and_found_by_name(desk, write):
    tasks = [jobs.Task.from_dict(write.jar(f"t{n}")) for n in range(150)]
    job = desk.client.jobs.create(name="Nightly", tasks=tasks).job_id
    for _ in range(30):
        desk.client.jobs.create(name="other", tasks=tasks[:1])
    assert [each.job_id for each in desk.client.jobs.list(name="nightly")] == [job]
    assert len(list(desk.client.jobs.list())) == 31
    assert len(desk.client.jobs.get(job).settings.tasks) == 150
    settings = jobs.JobSettings(
        name="Daily", tasks=[jobs.Task.from_dict(write.jar("t0", timeout_seconds=9))]
    )
    desk.client.jobs.update(job, new_settings=settings)
    changed = desk.client.jobs.get(job).settings
    assert (changed.name, len(changed.tasks)) == ("Daily", 150)
    desk.client.jobs.reset(job, settings)
    assert len(desk.client.jobs.get(job).settings.tasks) == 1
    desk.client.jobs.delete(job)
    with pytest.raises(NotFound, match=f"Job {job} does not exist"):
        desk.client.jobs.get(job)


# -- files ----------------------------------------------------------------------------------------------------------


def test_the_sdk_uploads_notebooks_and_files(desk, write):
    workspace = desk.client.workspace
    workspace.mkdirs("/Shared/me/deep")
    source = io.BytesIO(b"dbutils.notebook.exit('up')")
    workspace.upload(
        "/Shared/me/deep/n", source, format=ImportFormat.SOURCE, language=Language.PYTHON
    )
    run = desk.run(write.notebook("/Shared/me/deep/n"))
    assert desk.output(run.run_id).notebook_output.result == "up"
    content = base64.b64encode(b"print('file')").decode()
    workspace.import_("/Shared/me/f.py", content=content, format=ImportFormat.AUTO)
    found = {
        each.path: each.object_type.value for each in workspace.list("/Shared/me", recursive=False)
    }
    assert found == {"/Shared/me/deep": "DIRECTORY", "/Shared/me/f.py": "FILE"}
    status = workspace.get_status("/Shared/me/deep/n")
    assert (status.object_type.value, status.language.value) == ("NOTEBOOK", "PYTHON")
    assert b"# Databricks notebook source" in base64.b64decode(
        workspace.export("/Shared/me/deep/n").content
    )
    with pytest.raises(DatabricksError, match="already exists"):
        workspace.import_("/Shared/me/f.py", content=content, format=ImportFormat.AUTO)
    with pytest.raises(BadRequest, match="not empty"):
        workspace.delete("/Shared/me/deep")
    workspace.delete("/Shared/me/deep", recursive=True)
    with pytest.raises(NotFound):
        workspace.get_status("/Shared/me/deep")
    for body in ({"format": "SOURCE", "language": "SCALA"}, {"format": "DBC"}, {"content": "%"}):
        given = {"path": "/x", "content": content, **body}
        with pytest.raises(BadRequest):
            desk.client.api_client.do("POST", "/api/2.0/workspace/import", body=given)


def test_volumes_hold_files(desk):
    files, path = desk.client.files, "/Volumes/main/default/v/a b.txt"
    files.upload(path, io.BytesIO(b"content"))
    assert files.download(path).contents.read() == b"content"
    files.create_directory("/Volumes/main/default/v/sub")
    found = {
        each.name: each.is_directory
        for each in files.list_directory_contents("/Volumes/main/default/v")
    }
    assert found == {"a b.txt": False, "sub": True}
    with pytest.raises(DatabricksError, match="exists"):
        files.upload(path, io.BytesIO(b"other"), overwrite=False)
    files.delete(path)
    with pytest.raises(NotFound):
        files.download(path)


def test_dbfs_holds_files(desk):
    dbfs = desk.client.dbfs
    with dbfs.open("/d/large.bin", write=True, overwrite=True) as stream:
        stream.write(b"x" * 1_500_000)
    with dbfs.open("/d/large.bin", read=True) as stream:
        assert len(stream.read()) == 1_500_000
    assert dbfs.get_status("/d/large.bin").file_size == 1_500_000
    dbfs.put("/d/small.txt", contents=base64.b64encode(b"s").decode())
    with pytest.raises(DatabricksError, match="already exists"):
        dbfs.put("/d/small.txt", contents="")
    with pytest.raises(NotFound):
        dbfs.add_block(99, "")
    dbfs.delete("/d", recursive=True)
    with pytest.raises(NotFound):
        dbfs.get_status("/d")
    with pytest.raises(BadRequest, match=r"expected one without '\.\.'"):
        dbfs.get_status("/../../etc/passwd")


# -- faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ({"status": 503, "message": "busy"}, "TEMPORARILY_UNAVAILABLE", 503),
        ({"status": 429, "headers": {"Retry-After": "1"}}, "REQUEST_LIMIT_EXCEEDED", 429),
        ({"status": 400, "reason": "COULD_NOT_ACQUIRE_LOCK"}, "COULD_NOT_ACQUIRE_LOCK", 400),
        ({"status": 502}, "INTERNAL_ERROR", 502),
    ],
)
def test_faults_speak_as_databricks_does(desk, fault, code, status):
    import requests

    desk.server.faults.add("current-user.me", **fault)
    headers = {"Authorization": f"Bearer {desk.server.token}"}
    url = f"{desk.server.url}/api/2.0/preview/scim/v2/Me"
    reply = requests.get(url, headers=headers, timeout=10)
    assert (reply.status_code, reply.json()["error_code"]) == (status, code)
    assert reply.json()["message"] == fault.get("message", f"scripted fault: {code}")
    assert reply.headers.get("Retry-After") == fault.get("headers", {}).get("Retry-After")
    assert desk.client.current_user.me()


def test_no_route_is_hidden_by_another_method(desk):
    """Routes are methods of one class: a second one of the same name would take it away."""
    from flyte_agent_databricks.local.server import LocalDatabricks

    marked = [
        name
        for cls in LocalDatabricks.__mro__
        for name, each in vars(cls).items()
        if hasattr(each, "_routes")
    ]
    assert len(marked) == len(set(marked))
    assert all(hasattr(getattr(LocalDatabricks, name), "_routes") for name in marked)


@pytest.mark.parametrize(
    ("method", "path", "body", "match"),
    [
        (
            "GET",
            "/api/2.2/jobs/runs/nothing",
            None,
            "No API found for 'GET /api/2.2/jobs/runs/nothing'",
        ),
        ("POST", "/api/2.2/jobs/runs/submit", [1], "expected an object"),
    ],
)
def test_what_the_workspace_does_not_know_is_said(desk, method, path, body, match):
    with pytest.raises(DatabricksError, match=match):
        desk.client.api_client.do(method, path, body=body)


def test_a_sandbox_says_where_it_is_and_ends(monkeypatch):
    from databricks.sdk import WorkspaceClient

    running = DatabricksSandbox().start(0)
    try:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        assert WorkspaceClient().current_user.me().user_name
    finally:
        running.stop()
        running.stop()


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        DatabricksSandbox().start(taken.getsockname()[1])

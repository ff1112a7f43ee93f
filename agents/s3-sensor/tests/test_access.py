"""As whom and where a sensor looks: keys, roles, tokens, endpoints, all by reference."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_s3_sensor import S3Config

DONE, FAILED, UNSEEN = Phase.SUCCEEDED, Phase.FAILED, Phase.INITIALIZING
ROLE, BASE = "arn:aws:iam::123456789012:role/reader", "arn:aws:iam::123456789012:role/base"
KEY = {"aws_access_key_id": "AKIAOFTASK", "aws_secret_access_key": "canary-5f1c9ab2"}


def look(bench: Any, access: dict[str, Any], **custom: Any) -> Any:
    bench.vendor.put("k")
    return bench.look({"keys": ["k"], "access": access, **custom})


def request_of(bench: Any, route: str = "head") -> Any:
    return [r for r in bench.vendor.requests if r.route == route][-1]


def signer(request: Any) -> str:
    return (
        (request.header(b"authorization") or b"")
        .decode()
        .partition("Credential=")[2]
        .partition("/")[0]
    )


def test_the_service_signs_with_its_own_identity(bench):
    assert look(bench, {}).phase is DONE
    assert signer(request_of(bench)) == "AKIASERVICE"
    assert b"flyte-agent-s3-sensor" in request_of(bench).header(b"user-agent")


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(KEY),
        json.dumps({
            "Credentials": {"AccessKeyId": "AKIAOFTASK", "SecretAccessKey": "canary-5f1c9ab2"}
        }),
        "[default]\naws_access_key_id = AKIAOFTASK\naws_secret_access_key = canary-5f1c9ab2\n",
        "aws_access_key_id=AKIAOFTASK\naws_secret_access_key=canary-5f1c9ab2",
    ],
)
def test_a_task_names_the_secret_with_its_key(bench, monkeypatch, content):
    monkeypatch.setenv("_FSEC_FLYTESNACKS__DEVELOPMENT__S3_KEY", content)
    assert look(bench, {"credentials": "s3-key"}).phase is DONE
    assert signer(request_of(bench)) == "AKIAOFTASK"


def test_no_secret_is_kept_or_told(bench, monkeypatch):
    monkeypatch.setenv("_FSEC_S3_KEY", json.dumps(KEY))
    bench.vendor.faults.add(
        "list", status=403, reason="SignatureDoesNotMatch", message="canary-5f1c9ab2", times=None
    )
    meta = bench.create({"prefix": "in/", "access": {"credentials": "s3-key"}})
    assert b"canary" not in meta.encode()
    assert "canary" not in bench.get(meta).message


@pytest.mark.parametrize(
    "content",
    ["", "canary-5f1c9ab2", "{", '{"a": 1}', "[default]\nx", '{"aws_access_key_id": "A"}'],
)
def test_a_secret_of_another_form_is_refused_without_its_content(bench, monkeypatch, content):
    monkeypatch.setenv("_FSEC_S3_KEY", content)
    answer = look(bench, {"credentials": "s3-key"})
    assert (answer.phase, answer.error_code) == (UNSEEN, "S3.CREDENTIALS")
    assert "canary" not in answer.message


def test_a_secret_that_is_not_there_is_told_with_the_places(bench):
    answer = look(bench, {"credentials": "no-such"})
    assert "_FSEC_NO_SUCH" in answer.message
    assert answer.phase is UNSEEN


def test_a_secret_that_was_replaced_is_used_at_once(bench, monkeypatch):
    monkeypatch.setenv("_FSEC_S3_KEY", json.dumps(KEY))
    meta = bench.create({"keys": ["k"], "access": {"credentials": "s3-key"}})
    bench.get(meta)
    monkeypatch.setenv("_FSEC_S3_KEY", json.dumps({**KEY, "aws_access_key_id": "AKIANEW"}))
    bench.get(meta, 30)
    assert signer(request_of(bench)) == "AKIANEW"


def test_a_role_is_assumed_once_for_all_sensors(bench):
    access = {"role_arn": ROLE, "external_id": "acme"}
    metas = [
        bench.create({"keys": [f"k{n}"], "access": access}, prefix=f"s3://p/{n}") for n in range(10)
    ]
    bench.poll(metas)
    ((arn, form),) = bench.vendor.roles
    assert arn == ROLE
    assert (form["ExternalId"], form["RoleSessionName"], form["signer"]) == (
        "acme", "flyte-agent-s3-sensor", "AKIASERVICE",
    )  # fmt: skip
    assert signer(request_of(bench)).startswith("ASIA")


def test_roles_are_assumed_one_from_the_other(bench):
    look(bench, {"role_chain": [BASE], "role_arn": ROLE, "external_id": "acme"})
    (first, by_service), (second, by_base) = bench.vendor.roles
    assert (first, second) == (BASE, ROLE)
    assert by_service["signer"] == "AKIASERVICE"
    assert by_base["signer"] == "ASIA0000000000000001"
    assert "ExternalId" not in by_service
    assert signer(request_of(bench)) == "ASIA0000000000000002"


def test_a_web_identity_token_gets_a_role_without_any_key(bench, monkeypatch):
    monkeypatch.setenv("_FSEC_OIDC", "canary-token")
    look(bench, {"role_arn": ROLE, "web_identity": "oidc"})
    ((_, form),) = bench.vendor.roles
    assert form["Action"] == "AssumeRoleWithWebIdentity"
    assert form["WebIdentityToken"] == "canary-token"
    assert form["signer"] == ""
    assert signer(request_of(bench)).startswith("ASIA")


def test_a_role_that_may_not_be_assumed_is_told(bench):
    bench.vendor.faults.add(
        "action", status=403, reason="AccessDenied", message="not to you", times=None
    )
    answer = look(bench, {"role_arn": ROLE})
    assert answer.phase is UNSEEN
    assert "not to you" in answer.message


def test_anonymous_requests_are_not_signed(bench):
    assert look(bench, {"anonymous": True}).phase is DONE
    assert request_of(bench).header(b"authorization") is None


@pytest.mark.parametrize("target", [{"keys": ["k"]}, {"prefix": "k"}])
def test_payer_and_owner_are_said_in_every_request(bench, target):
    bench.vendor.put("k")
    access = {"requester_pays": True, "expected_bucket_owner": "012345678901"}
    assert bench.look({**target, "access": access}).phase is DONE
    request = bench.vendor.requests[-1]
    assert request.header(b"x-amz-request-payer") == b"requester"
    assert request.header(b"x-amz-expected-bucket-owner") == b"012345678901"


@pytest.mark.parametrize("content", ["k" * 32, base64.b64encode(b"k" * 32).decode()])
def test_objects_with_a_customers_key_are_asked_for_with_it(bench, monkeypatch, content):
    monkeypatch.setenv("_FSEC_SSE", content)
    bench.vendor.put("k")
    meta = bench.create({"keys": ["k"], "access": {"sse_c_key": "sse"}})
    assert bench.get(meta).phase is DONE
    sent = request_of(bench).header(b"x-amz-server-side-encryption-customer-key")
    assert sent == base64.b64encode(b"k" * 32)
    assert content.encode() not in meta.encode()


def test_a_customers_key_of_another_length_is_refused(bench, monkeypatch):
    monkeypatch.setenv("_FSEC_SSE", "too short")
    assert "expected 32 bytes" in look(bench, {"sse_c_key": "sse"}).message


def test_another_store_is_asked_at_its_own_address(bench, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    access = {"endpoint_url": bench.vendor.url, "addressing": "path", "region": "auto"}
    assert look(bench, access).phase is DONE
    assert request_of(bench).path == "/landing/k"
    assert b"/auto/s3/" in request_of(bench).header(b"authorization")


def test_a_bucket_in_another_region_is_found_there(bench):
    """S3 says which; the SDK follows, and asks there from then on."""
    bench.vendor.faults.add(
        "head", status=301, headers={"x-amz-bucket-region": "eu-west-1"}, times=1,
    )  # fmt: skip
    assert look(bench, {}).phase is DONE
    assert b"/eu-west-1/s3/" in request_of(bench).header(b"authorization")


def test_no_identity_at_all_says_what_to_do(bench, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    answer = look(bench, {})
    assert "give its pod a role" in answer.message
    assert answer.phase is UNSEEN
    assert "could assume the role" in look(bench, {"role_arn": ROLE}).message


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"region": "EU!"}, "a region such as"),
        ({"addressing": "pth"}, "Did you mean 'path'?"),
        ({"endpoint_url": "minio:9000"}, "an address such as"),
        ({"endpoint_url": "https://me:canary@minio"}, "no password"),
        ({"endpoint_url": "https://minio/?x=1"}, "without ?"),
        ({"credentials": "canary/wJalrXUtnFEMI"}, "never its value"),
        ({"role_arn": "reader"}, "arn:aws:iam::ACCOUNT:role/NAME"),
        ({"role_chain": [BASE]}, "role_arn, the last one"),
        ({"role_arn": ROLE, "role_chain": [BASE] * 5}, "at most 5"),
        ({"external_id": "x"}, "a role_arn that it is for"),
        ({"web_identity": "oidc"}, "a role_arn that it is for"),
        ({"anonymous": True, "credentials": "k"}, "no credentials beside it"),
        ({"role_arn": ROLE, "web_identity": "o", "credentials": "k"}, "no credentials beside it"),
        ({"expected_bucket_owner": "123"}, "12 digits"),
        ({"expected_bucket_owner": 123456789012}, "text or None"),
        ({"region": 3}, "text or None"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(said, message):
    with pytest.raises(InvalidConfig) as caught:
        S3Config(**said)
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)

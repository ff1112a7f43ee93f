"""What Flyte keeps of a job."""

from __future__ import annotations

import json

import pytest

from flyte_agent_bigquery.meta import BigQueryJobMeta
from flyte_agent_core.meta import META_LIMIT_BYTES, MetaCodec, Undecodable

CODEC = MetaCodec(BigQueryJobMeta)


def test_survives_the_way_through_flyte():
    meta = BigQueryJobMeta(
        job_id="j", project="p", location="EU", result="rows", max_rows=5, impersonate=["a@b.c"],
        outputs={"o0": ["list", "struct"]}, usd_per_tib=6.25, credentials="key", flyte_domain="d",
    )  # fmt: skip

    assert CODEC.decode(meta.encode()) == meta


def test_worst_case_is_below_a_kilobyte():
    account = f"{'s' * 30}@{'p' * 30}.iam.gserviceaccount.com"
    meta = BigQueryJobMeta(
        key="f" * 32,
        created_s=1767225600.123456,
        job_id="j" * 64,
        project=f"{'d' * 20}.com:{'p' * 30}",
        location="northamerica-northeast1",
        adopted=False,
        result="dataset",
        max_rows=1_000_000,
        outputs={"some_output_name": ["union", ["none", "none"], ["list", ["list", "struct"]]]},
        usd_per_tib=6.25,
        note="x" * 120,
        credentials="c" * 60,
        impersonate=[account, account],
        flyte_project="p" * 63,
        flyte_domain="d" * 63,
    )

    assert len(meta.encode()) < META_LIMIT_BYTES


def test_metadata_of_the_stock_plugin_is_taken():
    kept = json.dumps({"job_id": "j", "project": "p", "location": "EU"}).encode()

    meta = CODEC.decode(kept)

    assert meta.ref == ("p", "j", "EU")
    assert meta.result == "stock"


def test_the_stock_plugin_may_not_know_the_location():
    """Its location is that of the task, null unless the author gave one."""
    meta = CODEC.decode(b'{"job_id": "j", "project": "p", "location": null}')

    assert meta.location == ""


def test_metadata_of_another_version_is_taken():
    older = {"v": 1, "job_id": "j", "project": "p"}
    newer = {**older, "v": 2, "location": "EU", "unheard_of": {"a": [1]}}

    assert CODEC.decode(json.dumps(older).encode()).result == "none"
    assert CODEC.decode(json.dumps(newer).encode()).location == "EU"


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"\xff\x00",
        b"null",
        b"[]",
        b"{}",
        b'{"v": 1}',
        b'{"job_id": "", "project": "p"}',
        b'{"job_id": ["j"], "project": "p"}',
        b'{"v": 1, "job_id": 7, "project": "p"}',
        b'{"v": 1, "job_id": "j", "project": "p", "outputs": []}',
        b'{"v": 1, "job_id": "j", "project": "p", "max_rows": "many"}',
        b'{"v": 1, "job_id": "j", "project": "p", "impersonate": "me"}',
        b"[" * 100_000,
    ],
    ids=lambda kept: repr(kept[:40]),
)
def test_garbage_is_named_as_such(kept):
    assert isinstance(CODEC.decode(kept), Undecodable)

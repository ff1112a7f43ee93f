"""Metadata outlives deployments: older and newer versions read each other."""

from __future__ import annotations

import dataclasses
import json

import pytest

from flyte_agent_core import JobMeta
from flyte_agent_core.meta import META_LIMIT_BYTES, MetaCodec, Undecodable, digest


@dataclasses.dataclass(kw_only=True)
class Old(JobMeta):
    job_id: str


@dataclasses.dataclass(kw_only=True)
class New(JobMeta):
    job_id: str
    location: str = "US"
    spec: dict[str, object] = dataclasses.field(default_factory=dict)
    note: str | None = None


def test_new_reads_old():
    assert MetaCodec(New).decode(Old(job_id="j", key="k").encode()) == New(job_id="j", key="k")


def test_old_reads_new():
    data = New(job_id="j", location="EU", spec={"x": ["list", "int"]}).encode()
    assert MetaCodec(Old).decode(data) == Old(job_id="j")


def test_it_is_versioned_compact_json():
    data = New(job_id="j☃").encode()
    assert json.loads(data) == {
        "v": 1,
        "key": "",
        "created_s": 0.0,
        "origin": "",
        "job_id": "j☃",
        "location": "US",
        "spec": {},
    }
    assert b" " not in data


def test_a_missing_field_is_not_decodable():
    read = MetaCodec(New).decode(b'{"v":1}')
    assert isinstance(read, Undecodable)
    assert "job_id" in read.reason
    assert read.encode() == b'{"v":1}'


def test_a_subclass_may_read_what_another_program_wrote():
    class Drop(New):
        @classmethod
        def of(cls, values):
            return super().of({**values, "job_id": values.get("job_id", values.get("JobId"))})

    assert MetaCodec(Drop).decode(b'{"JobId":"x"}').job_id == "x"


def test_decode_alone_raises():
    with pytest.raises(ValueError, match="job_id"):
        Old.decode(b"{}")
    assert Old.decode(b'{"job_id":"j"}').job_id == "j"


def test_an_origin_that_is_no_text_does_not_fail_a_poll():
    """It comes back from outside, and is for logs alone."""
    assert JobMeta.decode(b'{"v": 1, "origin": ["x"]}').origin == ""


def test_polls_of_a_job_share_what_was_decoded():
    codec = MetaCodec(JobMeta)
    data = JobMeta(key="k").encode()
    assert codec.decode(data) is codec.decode(bytes(bytearray(data)))
    large = json.dumps({"key": "x" * META_LIMIT_BYTES}).encode()
    assert codec.decode(large) is not codec.decode(large)  # kept ones are bounded in size too


def test_a_job_has_one_name_however_its_metadata_came():
    meta = JobMeta(key="k", created_s=1.0)
    assert digest(MetaCodec(JobMeta).decode(meta.encode())) == digest(meta)
    before = digest(meta)
    meta.key = "other"
    assert digest(meta) != before

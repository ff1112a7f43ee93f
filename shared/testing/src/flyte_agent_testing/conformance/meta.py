"""Metadata: what Flyte keeps of a job, prints into its log and brings back to another version of the agent."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flyte_agent_core import JobMeta, Phase
from flyte_agent_testing.templates import attempt_metadata

from .answers import FAILURES
from .base import TaskConformance
from .checks import AgentRaised, check, expect

if TYPE_CHECKING:
    from .bench import Bench

LIMIT_BYTES = 1024
_TRIPWIRE = f"{__package__}.tripwire"
_ENDS_WITHIN_S = 3600.0

# What an unpickler does with this is import the tripwire and call it.
_PICKLED_CALL = f"c{_TRIPWIRE}\ntrip\n(tR.".encode()

# The core reads older forms of these itself.
_CORES_OWN = {"v", *(field.name for field in dataclasses.fields(JobMeta))}

FOREIGN = (b"", b"\x00\xff\xfe", b"null", b'"text"', b"[1, 2]", b'{"v":99}', _PICKLED_CALL)
"""Bytes that no agent has written."""


class MetaChecks(TaskConformance):
    """Size, form, versions, and bytes that are none of the agent's."""

    @check
    async def test_metadata_is_small(self, bench: Bench) -> None:
        """
        Metadata takes less than 1 KB, whatever the names are.

        Flyte: keeps it in the workflow's own record, 1.5 MB for all of its tasks together, and
        writes it into its log.

        Troubleshooting: keep what finds the job, not what the job is; look the rest up at the
        vendor.
        """
        request = bench.attempt()
        longest = attempt_metadata(
            request.template, execution="f" * 63, node_id="n" * 63, workflow_name="w" * 200
        )
        request.task_execution_metadata.CopyFrom(longest)
        meta = await bench.first.create(request)
        expect(len(meta) < LIMIT_BYTES, f"made {len(meta)} bytes of metadata for one job")

    @check
    async def test_metadata_is_json(self, bench: Bench) -> None:
        """
        Metadata is a JSON object.

        Flyte: keeps it for as long as the task runs, through upgrades of the agent, Python and
        flytekit; other forms break then, and pickles run code.

        Troubleshooting: derive it from JobMeta, or from flytekit's ResourceMeta without overriding
        encode.
        """
        meta = await bench.first.create(bench.task)
        with contextlib.suppress(ValueError):
            if isinstance(json.loads(meta), dict):
                return
        expect(False, f"made metadata that is no JSON object: {meta[:80]!r}")  # noqa: FBT003  # it failed

    @check
    async def test_metadata_round_trips(self, bench: Bench) -> None:
        """
        Metadata that is decoded and encoded again is the same.

        Flyte: hands the same bytes to every call; what gets lost on the way is missing in the next
        one.

        Troubleshooting: use plain JSON fields (str, int, float, bool, list, dict, None), no tuples,
        sets or dates.
        """
        meta = await bench.first.create(bench.task)
        again = bench.replica().agent.metadata_type.decode(meta).encode()
        expect(again == meta, f"made {again!r} of {meta!r}")

    @check
    async def test_metadata_of_a_newer_version_is_read(self, bench: Bench) -> None:
        """
        Fields that this version does not know are ignored.

        Flyte: keeps the metadata of running tasks through a rollback; the older version gets what
        the newer one wrote.

        Troubleshooting: derive it from JobMeta, which ignores unknown fields (flytekit's
        ResourceMeta raises KeyError).
        """
        meta = await bench.first.create(bench.task)
        values = _values(meta)
        newer = json.dumps({**values, "field_of_a_later_version": {"a": [1]}}).encode()
        self.let_it_end(bench)
        answer = await bench.poll(newer, bench.replica())
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} for metadata with a new field")
        await bench.first.delete(newer)

    @check
    async def test_metadata_of_an_older_version_is_read(self, bench: Bench) -> None:
        """
        Metadata in which a field is missing is answered.

        Flyte: brings the metadata of running tasks to the next version, whose fields it has not;
        errors are counted.

        Troubleshooting: give every field that is added later a default; JobMeta answers for the
        required ones.
        """
        meta = await bench.first.create(bench.task)
        values = _values(meta)
        for name in values:
            older = json.dumps({k: v for k, v in values.items() if k != name}).encode()
            await bench.poll(older, bench.replica())
            await bench.replica().delete(older)

    @check
    async def test_recorded_metadata_is_read(self, bench: Bench) -> None:
        """
        Every form of metadata the agent has ever written is on record, and can be read.

        Flyte: brings metadata of any age; only a record of what was written shows that it can still
        be read.

        Troubleshooting: keep one JSON file per form in the folder `recorded_metas`; add one when
        fields are added, and change none.
        """
        meta = await bench.first.create(bench.task)
        record = self._record()
        for name, data in record.items():
            decoded = bench.first.agent.metadata_type.decode(data)
            is_read = not bench.first.is_core or isinstance(decoded, JobMeta)
            expect(is_read, f"cannot read {name} any more: {data[:200]!r}")
            await bench.poll(data, bench.replica())
        fields = set(_values(meta)) - _CORES_OWN
        is_recorded = any(fields <= set(_values(data)) for data in record.values())
        expect(is_recorded, f"writes metadata of which {self.recorded_metas} has no file: {meta!r}")

    @check
    async def test_foreign_metadata_is_answered(self, bench: Bench) -> None:
        """
        Bytes that are no metadata of this agent are answered, as a failure.

        Flyte: asks with what it has, which may come from another program; an error of get is
        counted, one of delete is repeated until the workflow fails.

        Troubleshooting: let `metadata_type.decode` return something instead of raising (JobMeta's
        codec does).
        """
        for data in FOREIGN:
            answer = await bench.poll(data)
            if not answer.is_over:
                answer = await bench.poll_until_over(data, within_s=_ENDS_WITHIN_S)
            expect(answer.phase in FAILURES, f"answers {answer} for the bytes {data[:40]!r}")
            expect(answer.message, f"gave no reason for the bytes {data[:40]!r}")
            await bench.first.delete(data)

    @check
    async def test_metadata_is_data(self, bench: Bench) -> None:
        """
        Nothing that stands in metadata is run or imported.

        Flyte: anybody who reaches the port of the service can send metadata; a pickle or the name
        of a module would let them run what they like, with the service's credentials.

        Troubleshooting: read metadata as JSON; choose code by a key of a table, never by a name in
        the metadata.
        """
        values = _values(await bench.first.create(bench.task), strict=False)
        texts = [name for name, value in values.items() if isinstance(value, str)]
        bombs = [json.dumps({**values, name: _TRIPWIRE}).encode() for name in texts]
        bombs.append(json.dumps({**values, **dict.fromkeys(texts, _TRIPWIRE)}).encode())
        for bomb in (_PICKLED_CALL, *bombs):
            sys.modules.pop(_TRIPWIRE, None)
            for call in (bench.first.get, bench.first.delete):
                with contextlib.suppress(AgentRaised):  # another check's business
                    await call(bomb)
            expect(_TRIPWIRE not in sys.modules, f"imported what metadata named: {bomb[:120]!r}")

    def _record(self) -> dict[str, bytes]:
        folder = Path(self.recorded_metas or "")
        files = sorted(folder.glob("*.json")) if self.recorded_metas else []
        expect(files, "has no metadata on record: name a folder with at least one file")
        return {file.name: file.read_bytes().strip() for file in files}


def _values(meta: bytes, *, strict: bool = True) -> dict[str, Any]:
    try:
        found = json.loads(meta)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        expect(not strict, f"made metadata that is no JSON object: {meta[:80]!r}")
        return {}
    return found

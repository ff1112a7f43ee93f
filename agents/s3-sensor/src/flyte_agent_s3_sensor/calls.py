"""S3's and SQS's calls as coroutines, for one account."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from .account import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from flyte_agent_core import AsyncAgent

    from .account import Account
    from .client import Page, S3Client
    from .meta import S3SensorMeta
    from .objects import Seen
    from .queues import Message

T = TypeVar("T")


class Calls:
    """
    Runs each call in the agent's threads, on the client that its account shares with others.

    The errors are those of :class:`flyte_agent_s3_sensor.client.S3Client`.
    """

    def __init__(self, agent: AsyncAgent[S3SensorMeta], account: Account) -> None:
        self._agent = agent
        self._account = account

    async def credentials(self) -> tuple[str, str, str]:
        """Return what kind of credentials these are, the region and the address."""
        return await self._run(lambda c: (c.credentials_kind, c.region, c.endpoint))

    async def server_time_s(self) -> float | None:
        """Return S3's time in seconds since 1970, if it says; needs no credentials."""
        return await self._run(lambda client: client.server_time_s())

    async def head(self, bucket: str, key: str) -> Seen | None:
        """Return an object, or ``None``; the first of a bucket in a thread, the others without one."""
        client = self._agent.runtime.clients.find(self._name())
        if client is not None:
            from .heads import AskTheClient

            with contextlib.suppress(AskTheClient):
                seen: Seen | None = await client.head_further(bucket, key)
                return seen
        return await self._run(lambda client: client.head(bucket, key))

    async def head_bucket(self, bucket: str) -> None:
        """Raise if the bucket is not there."""
        await self._run(lambda client: client.head_bucket(bucket))

    async def list_page(
        self, bucket: str, prefix: str, *, token: str = "", after: str = "", limit: int = 1000
    ) -> Page:
        """Return a page of a listing."""
        return await self._run(
            lambda c: c.list_page(bucket, prefix, token=token, after=after, limit=limit)
        )

    async def tags(self, bucket: str, key: str) -> dict[str, str]:
        """Return an object's tags."""
        return await self._run(lambda client: client.tags(bucket, key))

    async def read(self, bucket: str, key: str, limit_bytes: int) -> bytes:
        """Return an object's first bytes."""
        return await self._run(lambda client: client.read(bucket, key, limit_bytes))

    async def receive(self, queue_url: str, *, hidden_s: int, wait_s: int) -> list[Message]:
        """Take messages from a queue."""
        return await self._run(
            lambda c: c.queues.receive(queue_url, hidden_s=hidden_s, wait_s=wait_s)
        )

    async def remove(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Delete messages."""
        await self._run(lambda client: client.queues.remove(queue_url, list(receipts)))

    async def give_back(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Let others see messages."""
        await self._run(lambda client: client.queues.give_back(queue_url, list(receipts)))

    def _name(self) -> Hashable:
        # A secret that was replaced is another client; so is another AWS_PROFILE in a notebook.
        return ("s3", self._account, hash(fingerprint(self._account)))

    async def _run(self, call: Callable[[S3Client], T]) -> T:
        agent, account, name = self._agent, self._account, self._name()

        def work() -> T:
            from .client import S3Client

            return call(agent.pooled(name, lambda: S3Client(account)))

        return await agent.blocking(work)

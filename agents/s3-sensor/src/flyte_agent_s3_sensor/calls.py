"""S3's and SQS's calls as coroutines, for one account."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flyte_agent_core import AsyncAgent

    from .account import Account
    from .client import Message, Page, S3Client
    from .meta import S3SensorMeta
    from .objects import Seen

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
        """Return an object, or ``None``."""
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
        return await self._run(lambda c: c.receive(queue_url, hidden_s=hidden_s, wait_s=wait_s))

    async def remove(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Delete messages."""
        await self._run(lambda client: client.remove(queue_url, list(receipts)))

    async def give_back(self, queue_url: str, receipts: Sequence[str]) -> None:
        """Let others see messages."""
        await self._run(lambda client: client.give_back(queue_url, list(receipts)))

    async def _run(self, call: Callable[[S3Client], T]) -> T:
        agent, account = self._agent, self._account

        def work() -> T:
            from .client import S3Client
            from .credentials import fingerprint

            # A secret that was replaced is another client; so is another AWS_PROFILE in a notebook.
            key = ("s3", account, hash(fingerprint(account)))
            return call(agent.pooled(key, lambda: S3Client(account)))

        return await agent.blocking(work)

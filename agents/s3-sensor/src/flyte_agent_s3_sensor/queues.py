"""SQS, as an account's client asks it: one method per call, one attempt each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core.pool import Pool

from .reporting import reporting

if TYPE_CHECKING:
    from collections.abc import Callable

RECEIVED_AT_ONCE = 10


class Message(NamedTuple):
    """One message of a queue; ``receipt`` is what deletes it."""

    body: str
    receipt: str
    message_id: str


class Queues:
    """
    The queues of one account; safe to use from any thread.

    Args:
        make: Returns AWS's client; most accounts need none.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make, self._made = make, Pool(size=1)

    def receive(self, queue_url: str, *, hidden_s: int, wait_s: int) -> list[Message]:
        """
        Take messages from a queue; others do not see them for ``hidden_s``.

        Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
        """
        with reporting("ReceiveMessage"):
            answer = self._sqs().receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=RECEIVED_AT_ONCE,
                VisibilityTimeout=hidden_s,
                WaitTimeSeconds=wait_s,
            )
        return [
            Message(m.get("Body", ""), m["ReceiptHandle"], m.get("MessageId", ""))
            for m in answer.get("Messages", ())
        ]

    def remove(self, queue_url: str, receipts: list[str]) -> None:
        """Delete messages, at most ten; one that is back in the queue stays there."""
        entries = [{"Id": str(n), "ReceiptHandle": r} for n, r in enumerate(receipts)]
        with reporting("DeleteMessageBatch"):
            self._sqs().delete_message_batch(QueueUrl=queue_url, Entries=entries)

    def give_back(self, queue_url: str, receipts: list[str]) -> None:
        """Let others see messages at once, at most ten."""
        entries = [
            {"Id": str(n), "ReceiptHandle": r, "VisibilityTimeout": 0}
            for n, r in enumerate(receipts)
        ]
        with reporting("ChangeMessageVisibilityBatch"):
            self._sqs().change_message_visibility_batch(QueueUrl=queue_url, Entries=entries)

    def _sqs(self) -> Any:
        return self._made.get("sqs", self._make)

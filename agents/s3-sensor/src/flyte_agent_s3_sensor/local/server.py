"""moto's server, which keeps objects in memory and sends a bucket's notifications to queues."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from typing_extensions import Self

REGION = "us-east-1"
ACCOUNT = "123456789012"
ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105  # moto takes any


class _Quiet(WSGIRequestHandler):
    """Serves without a line for each request, on connections that stay open."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002  # werkzeug's name for it
        logging.getLogger("flyte_agent_s3_sensor.local").debug(message, *args)


class LocalS3:
    """
    S3 and what sends its events, on a loopback port.

    There is one set of buckets and queues in a process: it is moto's.

    Args:
        port: 0 for any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Serve in the background. Raises ``OSError`` if the port is taken."""
        app = DomainDispatcherApplication(create_backend_app)
        try:
            self._server = make_server(
                "127.0.0.1", self._port, app, threaded=True, request_handler=_Quiet
            )
        except SystemExit as error:  # werkzeug's way to say that the port is taken
            raise OSError(f"port {self._port} is taken") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="LocalS3", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it and forget everything; stopping twice is fine."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = self._thread = None
        _forget()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        """Return what AWS's SDKs look at."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str) -> Any:
        """Return a client of AWS's SDK for it."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    def make_bucket(self, name: str, *, versioned: bool = False) -> None:
        """Make a bucket; one that is there already stays."""
        s3 = self.client("s3")
        try:
            s3.create_bucket(Bucket=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":
                raise
        if versioned:
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})

    def put(self, bucket: str, key: str, data: bytes = b"", **said: Any) -> dict[str, Any]:
        """Put an object; ``said`` are further arguments of ``PutObject``."""
        answer: dict[str, Any] = self.client("s3").put_object(
            Bucket=bucket, Key=key, Body=data, **said
        )
        return answer

    def make_queue(self, name: str, bucket: str) -> str:
        """Make a queue that gets a bucket's notifications; return its URL."""
        url: str = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.client("s3").put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {"QueueArn": arn, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
                ]
            },
        )
        return url

    def make_bridge(self, name: str, bucket: str) -> str:
        """Make a queue that gets a bucket's events through EventBridge; return its URL."""
        url: str = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        events, arn = self.client("events"), f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        pattern = json.dumps({"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}})
        events.put_rule(Name=name, EventPattern=pattern)
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        self.client("s3").put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        return url


def _forget() -> None:
    from moto.core.model_instances import reset_model_data
    from moto.s3.models import s3_backends
    from moto.sqs.models import sqs_backends

    for backends in (s3_backends, sqs_backends):
        for account in backends.values():
            for backend in account.values():
                backend.reset()
    reset_model_data()

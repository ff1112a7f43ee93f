"""The vendor of a benchmark, and credentials for it as a platform team has them."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from process import first_line, running
from setting import Setting, script

EMAIL = "bench@bench-project.iam.gserviceaccount.com"
SECRET = "bench"  # noqa: S105  # the name of one
KEY, FEDERATED = "service-account key", "workload identity"


class Vendor:
    """A vendor that runs."""

    def __init__(self, url: str, setting: Setting) -> None:
        self.url = url
        self._setting = setting

    def stats(self) -> dict[str, Any]:
        """Return what was asked since the last look; see ``vendor.py``."""
        with urllib.request.urlopen(f"{self.url}/bench/stats") as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def environment(self, kind: str) -> dict[str, str]:
        """Return the environment of a service: stock finds credentials as a file, ours as a secret."""
        info = _service_account(self.url) if kind == KEY else _federated(self._setting, self.url)
        path = self._setting.folder / f"{kind.replace(' ', '-')}.json"
        path.write_text(json.dumps(info))
        return {
            "BIGQUERY_EMULATOR_HOST": self.url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(path),
            "GOOGLE_CLOUD_PROJECT": "bench-project",
            f"_FSEC_{SECRET.upper()}": json.dumps(info),
            "CLOUDSDK_CONFIG": str(self._setting.folder),
            "NO_PROXY": "*",
        }


@contextlib.contextmanager
def vendor(setting: Setting, latency_ms: int, jobs: int) -> Iterator[Vendor]:
    """Run a vendor with so many running jobs."""
    command = [setting.ours, script("vendor.py"), str(latency_ms), str(jobs)]
    with running(command, {}, setting.log("vendor")) as process:
        yield Vendor(json.loads(first_line(process))["url"], setting)


def _federated(setting: Setting, url: str) -> Mapping[str, Any]:
    subject = setting.folder / "subject-token"
    subject.write_text("bench-subject")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/sts",
        "service_account_impersonation_url": f"{url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken",
        "credential_source": {"file": str(subject)},
    }


def _service_account(url: str) -> Mapping[str, Any]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "bench-project",
        "private_key_id": "bench",
        "private_key": private.decode(),
        "client_email": EMAIL,
        "token_uri": f"{url}/token",
    }

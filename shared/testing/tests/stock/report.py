"""
Runs flytekit's own connectors through the kit and writes the page that shows what they fail.

``nox -s stock`` calls it, with the file to write. Options that follow are given to pytest.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TLS_FOLDER = "STOCK_TLS_FOLDER"
CONNECTORS = {
    "TestBigQuery": "BigQuery",
    "TestOpenAIBatch": "OpenAI batch",
    "TestDatabricks": "Databricks",
}
PACKAGES = (
    "flytekit",
    "flytekitplugins-bigquery",
    "flytekitplugins-openai",
    "flytekitplugins-spark",
    "google-cloud-bigquery",
    "openai",
    "aiohttp",
)
NOT_ASKED = {
    "test_every_vendor_error_is_mapped": "it reads a table of errors, which the kit's own core asks for",
    "test_every_vendor_state_has_a_phase": "it reads a table of states; what is answered for each state is checked",
    "test_recorded_metadata_is_read": "it reads a record that an author keeps beside the agent",
    "test_overrides_are_declared": "it is about the suite, not about the connector",
}
MARKS = {"passed": "passes", "failed": "**fails**", "skipped": "n/a"}
INTRODUCTION = """# flytekit's own connectors in the kit

% generated: begin

Three connectors that come with flytekit, each with the vendor's real SDK (or the HTTP client it uses) against a small
stand-in for the vendor's API, run through the {doc}`conformance kit </reference/conformance>`.
They were written before there was such a kit, and for a service that keeps none of its rules for them; many of the
failures are one cause seen from several sides.
The table is made by `nox -s stock`, from one run and without any change by hand.
The agents of this repository pass all of these checks; that is a condition for being in it.

"""
MEANING = "what it means for a user: what Flyte does then"
UNASKED = (
    "n/a: the check asks for something that the vendor or the connector does not claim to have, such as a clock that "
    "a test can move."
)


class Results:
    """What became of each check; given to a run of pytest as a plugin."""

    def __init__(self) -> None:
        self.by_check: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, suite, check = report.nodeid.rsplit("::", 2)
        if suite in CONNECTORS and (report.when == "call" or report.outcome != "passed"):
            self.by_check.setdefault(check, {})[suite] = report.outcome


def main(page: str, *options: str) -> int:
    """Run in a new process, in which OpenSSL trusts the stand-ins' authority from the first import on."""
    from flyte_agent_testing.tls import make_certificate

    with tempfile.TemporaryDirectory() as folder:
        authority = make_certificate(Path(folder)).authority
        env = {**os.environ, TLS_FOLDER: folder, "SSL_CERT_FILE": str(authority)}
        command = [sys.executable, __file__, page, *options]
        return subprocess.run(command, env=env, check=False).returncode


def run(page: str, *options: str) -> int:
    """Run the suites and write the page; failures of connectors are what it is about, not an error."""
    results = Results()
    asked = " and ".join(f"not {check}" for check in NOT_ASKED)
    files = [str(HERE / "stock_suites.py"), "-k", asked, "-Wignore", "--no-header"]
    code = pytest.main([*files, *options], plugins=[results])
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        return int(code)
    missing = [name for name in CONNECTORS.values() if name not in _counts(results)]
    if missing:
        sys.stderr.write(f"no results of {', '.join(missing)}: the page is left as it was\n")
        return 1
    Path(page).write_text(text(results), encoding="utf-8")
    return 0


def text(results: Results) -> str:
    """Return the page."""
    from flyte_agent_testing.conformance import AsyncAgentConformance
    from flyte_agent_testing.conformance.checks import rules_of

    rules = {rule.name: rule for rule in rules_of(AsyncAgentConformance)}
    failing = [name for name in rules if "failed" in results.by_check.get(name, {}).values()]
    passing = [name for name in rules if name in results.by_check and name not in failing]
    lines = [INTRODUCTION.rstrip(), "", _versions(), "", _summary(results), "", "## What fails", ""]
    lines += _table(["check", *CONNECTORS.values(), MEANING])
    for name in failing:
        cells = _marks(results, name), _sentence(rules[name].flyte)
        lines.append(f"| {_shown(name)} | {' | '.join(cells)} |")
    lines += ["", "## What does not fail", "", UNASKED]
    lines += ["", *_table(["check", *CONNECTORS.values()])]
    lines += [f"| {_shown(name)} | {_marks(results, name)} |" for name in passing]
    lines += ["", "## What was not asked", ""]
    lines += [f"* {_shown(name)}: {why}." for name, why in NOT_ASKED.items()]
    return "\n".join([*lines, "", "% generated: end", ""])


def _shown(check: str) -> str:
    return f"`{check.removeprefix('test_')}`"


def _versions() -> str:
    found = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return f"Versions: {', '.join(found)}; Python {platform.python_version()}."


def _summary(results: Results) -> str:
    counts = _counts(results)
    said = [f"{name} fails {bad} of {total}" for name, (bad, total) in counts.items()]
    return f"Of the checks that apply, {', '.join(said)}."


def _counts(results: Results) -> dict[str, tuple[int, int]]:
    """Return how many checks each connector failed, and how many applied to it."""
    found = {}
    for suite, name in CONNECTORS.items():
        outcomes = [got[suite] for got in results.by_check.values() if suite in got]
        asked = [outcome for outcome in outcomes if outcome != "skipped"]
        if asked:
            found[name] = (asked.count("failed"), len(asked))
    return found


def _table(columns: list[str]) -> list[str]:
    return [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]


def _marks(results: Results, check: str) -> str:
    outcomes = results.by_check[check]
    return " | ".join(MARKS[outcomes.get(suite, "skipped")] for suite in CONNECTORS)


def _sentence(words: str) -> str:
    """Return what Flyte does, as a sentence of a table."""
    said = words.replace("|", "\\|")
    return said[:1].upper() + said[1:]


if __name__ == "__main__":
    sys.exit((run if TLS_FOLDER in os.environ else main)(*sys.argv[1:]))

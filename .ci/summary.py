"""
Print ``N passed, N failed`` for the nox run that just ended.

Counted are the cases of every pytest run, and each session without cases (lint, typing) as one
check. Skipped cases are neither. A session that failed with all its cases green counts as failed.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any


def cases(folder: Path) -> tuple[int, int]:
    """Passed and failed cases of the JUnit files in one session's folder."""
    passed = failed = 0
    for file in folder.glob("*.xml"):
        for suite in ET.parse(file).getroot().iter("testsuite"):  # noqa: S314 - pytest wrote it
            bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            failed += bad
            passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return passed, failed


def count(sessions: list[dict[str, Any]], results: Path) -> tuple[int, int]:
    """Passed and failed checks of all sessions in nox's report."""
    total_passed = total_failed = 0
    for session in sessions:
        passed, failed = cases(results / session["signatures"][0])
        if session["result"] == "success":
            passed = max(passed, 1)
        else:
            failed = max(failed, 1)
        total_passed += passed
        total_failed += failed
    return total_passed, total_failed


def main(work: Path = Path(".nox")) -> None:
    """Read nox's report and pytest's results from nox's folder."""
    try:
        report = json.loads((work / "report.json").read_text())
    except FileNotFoundError:
        print("nox stopped before its first session: 0 passed, 1 failed")
        return
    passed, failed = count(report["sessions"], work / "results")
    print(f"{passed} passed, {failed} failed")


if __name__ == "__main__":
    main()

"""The README's example runs as it stands, and its table of settings is complete."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

from flyte_agent_openai_sync import settings

README = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")


def test_the_example_runs(vendor: Any, tmp_path: Path, monkeypatch: Any) -> None:
    (example,) = re.findall(r"## Example\n\n```python\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "readme_example.py"
    path.write_text(example)
    spec = importlib.util.spec_from_file_location("readme_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "readme_example", module)  # flytekit looks for it there
    spec.loader.exec_module(module)

    made = module.wf()
    assert made.headline.startswith("It rained all day")
    assert made.facts


def test_every_setting_is_documented() -> None:
    named = set(re.findall(r"(?:FLYTE_AGENT_OPENAI|…)_([A-Z_]+)", README))
    known = {
        *settings._NUMBERS,
        *settings._LISTS,
        "PRICES",
        "STORE",
        "CA_FILE",
        "PROXY",
        "LOG_TEXT",
    }
    assert known <= named
    assert all(f"FLYTE_AGENT_OPENAI_{name}" in (settings.__doc__ or "") for name in known)

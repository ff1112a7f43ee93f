"""The README's examples, run as they stand, and its figures."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from flyte_agent_s3_sensor import S3Sensor, SqsEvents
from flyte_agent_s3_sensor.config import SensorRequest
from flyte_agent_s3_sensor.config_access import S3Config
from flyte_agent_s3_sensor.config_parts import Where

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples define, one after the other."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    path = tmp_path_factory.mktemp("readme") / "readme_examples.py"
    path.write_text("\n".join(blocks))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return vars(module)


def test_every_example_is_a_task_that_can_be_made(examples):
    made = [value for value in examples.values() if isinstance(value, S3Sensor)]
    assert len(made) == 7


def test_the_workflow_reads_the_file_of_the_day(examples, laptop):
    laptop.vendor.make_bucket("landing", versioned=True)
    laptop.vendor.put("landing", "flights/2024/01/31.csv", b"a\nb\nc\n")
    assert examples["wf"](day=examples["dt"].date(2024, 1, 31)) == 3


@pytest.mark.parametrize(
    ("said", "pages", "usd"),
    [
        ({"key": "k"}, 1, "0.03"),
        ({"prefix": "p/"}, 1, "0.43"),
        ({"prefix": "p/"}, 20, "8.64"),
        ({"prefix": "p/", "poke_interval_s": 900}, 20, "0.29"),
        ({"prefix": "p/", "events": SqsEvents("https://sqs/1/q", fallback_s=3600)}, 1, "0.04"),
    ],
)
def test_what_it_says_of_costs_is_what_is_computed(said, pages, usd):
    sensor = S3Sensor("s", "bkt", **said)
    assert f"{sensor.usd_per_month(pages=pages):.2f}" == usd
    assert f"| {usd} |" in README.read_text()


@pytest.mark.parametrize("config", [S3Config, Where, SqsEvents])
def test_every_option_is_on_the_page(config):
    text = README.read_text()
    missing = [name for name in config.__dataclass_fields__ if f"`{name}`" not in text]
    assert not missing


def test_every_argument_is_on_the_page():
    text = README.read_text()
    inner = {
        "keys": "key",
        "at_least": "need",
        "access": "config",
        "inputs": "inputs",
        "bucket": "bucket",
    }
    names = [inner.get(name, name) for name in SensorRequest.__dataclass_fields__]
    missing = [
        n for n in names if f"`{n}`" not in text and f"{n}=" not in text and f"{n}," not in text
    ]
    assert not missing

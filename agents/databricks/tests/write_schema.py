"""Write ``config_schema.json`` from the installed databricks-sdk: what its request types have."""

from __future__ import annotations

import dataclasses
import enum
import json
import pathlib
import typing

from databricks.sdk.service import jobs, sql

import flyte_agent_databricks

PATH = pathlib.Path(flyte_agent_databricks.__file__).with_name("config_schema.json")
REQUESTS = {
    "submit": jobs.JobsAPI.submit,
    "run_now": jobs.JobsAPI.run_now,
    "statement": sql.StatementExecutionAPI.execute_statement,
}


def described() -> dict[str, dict[str, typing.Any]]:
    """Return the requests, their types and enums, as the SDK has them."""
    found: dict[str, dict[str, typing.Any]] = {"enums": {}, "types": {}}
    for name, method in REQUESTS.items():
        hints = {n: h for n, h in typing.get_type_hints(method).items() if n != "return"}
        found["types"][name] = {n: _shape(h, found) for n, h in sorted(hints.items())}
    return found


def _shape(hint: typing.Any, found: dict[str, dict[str, typing.Any]]) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return _shape(next(a for a in arguments if a is not type(None)), found)
    if origin is list:
        return f"[{_shape(arguments[0], found)}"
    if origin is dict:
        return f"{{{_shape(arguments[1], found)}"
    if dataclasses.is_dataclass(hint):
        _describe(hint, found)
    elif issubclass(hint, enum.Enum):
        found["enums"][hint.__name__] = sorted(member.value for member in hint)
    return hint.__name__


def _describe(cls: typing.Any, found: dict[str, dict[str, typing.Any]]) -> None:
    if cls.__name__ in found["types"]:
        return
    fields = found["types"][cls.__name__] = {}
    hints = typing.get_type_hints(cls)
    for field in sorted(dataclasses.fields(cls), key=lambda field: field.name):
        needed = "" if field.default is not dataclasses.MISSING else "!"
        fields[field.name] = needed + _shape(hints[field.name], found)


def text() -> str:
    """Return the file's content: a line for each type."""
    made = described()
    lines = []
    for part in ("enums", "types"):
        rows = [f"  {json.dumps(n)}: {json.dumps(made[part][n])}" for n in sorted(made[part])]
        lines.append(f" {json.dumps(part)}: {{\n" + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")

"""Inputs and the places where a prompt uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

from .prompt import check_names
from .task_base import is_file, without_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import Message


def place_inputs(
    messages: list[Message], inputs: Mapping[str, Any], roles: Mapping[str, str]
) -> list[Message]:
    """
    Return messages in which each input has its place; files without one go along with the last message.

    Raises:
        InvalidConfig: A message names what is no input, or an input is used nowhere.
    """
    used = set(roles.values())
    for number, message in enumerate(messages):
        where = (
            "prompt" if number == len(messages) - 1 else f"message {number + 1} ({message.role})"
        )
        used.update(check_names(where, message.text, inputs))
        for name in message.files:
            if name not in inputs or not is_file(inputs[name]):
                raise invalid(
                    f"{where}, files",
                    name,
                    "an input of type FlyteFile",
                    did_you_mean(name, inputs),
                )
        used.update(message.files)
    for role, name in roles.items():
        if name not in inputs:
            raise invalid(
                role,
                name,
                "an input",
                did_you_mean(name, inputs) or f"Declare it: inputs={{{name!r}: …}}.",
            )
    left = [name for name in inputs if name not in used]
    messages[-1].files += [name for name in left if is_file(inputs[name])]
    for name in left:
        if not is_file(inputs[name]):
            near = did_you_mean(name, used)
            raise invalid(
                "inputs",
                name,
                f"an input that the prompt uses as {{{name}}}",
                near or "Use it, or remove it.",
            )
    return messages


def text_input(inputs: Mapping[str, Any]) -> tuple[str, bool]:
    """
    Return the name of the one input, and whether it is a list.

    Raises:
        InvalidConfig: There is another one, or of another type.
    """
    found = without_none(next(iter(inputs.values()), None))
    if len(inputs) != 1 or found not in (str, list[str]):
        raise invalid("inputs", dict(inputs), "one input of type str or list[str]")
    return next(iter(inputs)), found is not str

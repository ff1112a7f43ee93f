"""Types of answers; flytekit finds them by the name of their module, so that has to be one."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import Annotated, Literal, Optional, Union

import pydantic


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclasses.dataclass
class Delay:
    airline: str
    minutes: float


@dataclasses.dataclass
class Summary:
    """What the text says."""

    title: str
    flights: int
    mood: Mood
    delays: list[Delay]
    day: dt.date
    kind: Literal["short", "long"] = "short"
    note: Optional[str] = dataclasses.field(
        default=None, metadata={"description": "if there is one"}
    )


class Model(pydantic.BaseModel):
    name: str = pydantic.Field(description="of the airline")
    minutes: Union[int, float] = 0


@dataclasses.dataclass
class Tree:
    name: str
    branches: list[Tree]


@dataclasses.dataclass
class Twice:
    first: Delay
    second: Annotated[Optional[Delay], "the other"]
    either: Union[str, int, None] = None


@dataclasses.dataclass
class Empty:
    pass


@dataclasses.dataclass
class Wide:
    x: Literal[tuple(f"c{n}" for n in range(1001))]  # type: ignore[valid-type]  # made on purpose

"""
What a script would do: one AsyncOpenAI client, many questions at once.

Run as ``python openai_loop.py BASE_URL MODEL IN_FLIGHT SECONDS``; prints what it reached. It runs on
uvloop, as our service does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time

import openai  # noqa: TID251  # what a script does
import uvloop


async def main(url: str, model: str, in_flight: int, seconds: float) -> dict[str, float]:
    """Warm up, and ask for a while."""
    client = openai.AsyncOpenAI(api_key="sk-bench", base_url=url, max_retries=0)
    numbers = itertools.count()

    async def worker(until_s: float) -> int:
        done = 0
        while time.perf_counter() < until_s:
            question = {"role": "user", "content": f"What is {next(numbers)}?"}
            answer = await client.chat.completions.create(model=model, messages=[question])
            done += bool(answer.choices[0].message.content)
        return done

    async def all_of_them(seconds: float) -> float:
        began_s = time.perf_counter()
        counts = await asyncio.gather(*(worker(began_s + seconds) for _ in range(in_flight)))
        return sum(counts) / (time.perf_counter() - began_s)

    async with client:
        await all_of_them(min(2.0, seconds))
        return {"per_s": await all_of_them(seconds)}


if __name__ == "__main__":
    uvloop.install()
    url, model, in_flight, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(main(url, model, int(in_flight), float(seconds)))))

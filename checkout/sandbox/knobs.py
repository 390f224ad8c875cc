"""What a test sets for the next replies of a verb, on top of the magic values."""

import asyncio
from collections import deque
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Verb = Literal["submit", "complete", "capture", "cancel", "refund", "inquiry"]
VERBS: tuple[Verb, ...] = get_args(Verb)


class Knob(BaseModel):
    """`delay_ms` is waited before the message is acted upon. `times` None holds until the next reset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verb: Verb
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] = 0
    times: Annotated[int, Field(ge=1, le=10_000)] | None = 1


class Knobs:
    """One queue per verb: each reply uses up the first knob of its verb."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._queues: dict[Verb, deque[Knob]] = {verb: deque() for verb in VERBS}

    def turn(self, knob: Knob) -> None:
        self._queues[knob.verb].append(knob)

    def pending(self) -> list[Knob]:
        return [knob for queue in self._queues.values() for knob in queue]

    async def apply(self, verb: Verb) -> None:
        queue = self._queues[verb]
        if not queue:
            return
        knob = queue.popleft()
        if knob.times is None:
            queue.appendleft(knob)
        elif knob.times > 1:
            queue.appendleft(knob.model_copy(update={"times": knob.times - 1}))
        await asyncio.sleep(knob.delay_ms / 1000)

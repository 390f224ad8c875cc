"""Scenarios of the in-memory provider: answers that its books alone would not give."""

from collections import defaultdict
from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from checkout.errors import OutcomeUnknown

Act = Callable[[], Any]


@dataclass(eq=False, slots=True, kw_only=True)
class Scenario:
    """The course of the next ``times`` requests, or of all. A ``with`` block ends it.

    If ``of`` is given, only inquiries about these order codes take this course.
    """

    course: Callable[[Act], Any]
    times: int | None = None
    of: Container[str] | None = None

    def play(self, request: Any, act: Act) -> Any:
        """Return the answer to a request. ``act`` asks the next scenario, or at last the books."""
        if self.times == 0 or (self.of is not None and request not in self.of):
            return act()
        if self.times is not None:
            self.times -= 1
        return self.course(act)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.times = 0


class Scenarios:
    """The scenarios of an account, by verb, and ``asked``: the requests of each verb, oldest first.

    If a verb has several scenarios, the latest one runs first, and runs the others in place of the books.
    """

    def __init__(self) -> None:
        self.asked: defaultdict[str, list[Any]] = defaultdict(list)
        self._by_verb: defaultdict[str, list[Scenario]] = defaultdict(list)

    def play(self, verb: str, request: Any, act: Act) -> Any:
        """Return the answer to a request. ``act`` carries the request out in the books."""
        self.asked[verb].append(request)
        for scenario in self._by_verb[verb]:
            act = partial(scenario.play, request, act)
        return act()

    def end(self) -> None:
        """Remove all scenarios, so that only the books answer."""
        self._by_verb.clear()

    def answer(
        self, verb: str, answer: object, *, times: int | None = None, of: Container[str] | None = None
    ) -> Scenario:
        """Give this answer, or raise it if it is an exception, without carrying the request out."""

        def course(_act: Act) -> object:
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return self._add(verb, Scenario(course=course, times=times, of=of))

    def lose_answer(self, verb: str, *, times: int | None = None) -> Scenario:
        """Carry the request out, and lose the answer."""

        def course(act: Act) -> None:
            act()
            raise OutcomeUnknown("The connection broke.")

        return self._add(verb, Scenario(course=course, times=times))

    def tell(self, verb: str, **fields: object) -> Scenario:
        """Carry the request out, and replace these fields of its answer."""
        return self._add(verb, Scenario(course=lambda act: replace(act(), **fields)))

    def before(self, verb: str, event: Callable[[], object], *, times: int | None = None) -> Scenario:
        """Call a function when the request has arrived, before it is carried out."""

        def course(act: Act) -> Any:
            event()
            return act()

        return self._add(verb, Scenario(course=course, times=times))

    def meanwhile(self, verb: str, event: Callable[[], object], *, times: int | None = None) -> Scenario:
        """Call a function when the request was carried out, before the answer arrives."""

        def course(act: Act) -> Any:
            answer = act()
            event()
            return answer

        return self._add(verb, Scenario(course=course, times=times))

    def _add(self, verb: str, scenario: Scenario) -> Scenario:
        self._by_verb[verb].append(scenario)
        return scenario

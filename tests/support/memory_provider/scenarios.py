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
    """The course that requests take, for the next ``times`` of them or for all. A ``with`` block ends it.

    If ``of`` is given, it has the order codes of the inquiries that take this course.
    """

    course: Callable[[Act], Any]
    times: int | None = None
    of: Container[str] | None = None

    def play(self, request: Any, act: Act) -> Any:
        """Return the answer to a request that ``act`` would carry out."""
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

    Of several scenarios for one verb, the latest comes first, and what it carries out is up to the others.
    """

    def __init__(self) -> None:
        self.asked: defaultdict[str, list[Any]] = defaultdict(list)
        self._by_verb: defaultdict[str, list[Scenario]] = defaultdict(list)

    def play(self, verb: str, request: Any, act: Act) -> Any:
        """Return the answer to a request that ``act`` carries out in the books."""
        self.asked[verb].append(request)
        for scenario in self._by_verb[verb]:
            act = partial(scenario.play, request, act)
        return act()

    def end(self) -> None:
        """Let the books alone answer all further requests."""
        self._by_verb.clear()

    def answer(
        self, verb: str, answer: object, *, times: int | None = None, of: Container[str] | None = None
    ) -> Scenario:
        """Give this answer, or raise it if it is an exception, and carry nothing out."""

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
        """Carry the request out, and give an answer with these fields in place of its own."""
        return self._add(verb, Scenario(course=lambda act: replace(act(), **fields)))

    def before(self, verb: str, event: Callable[[], object], *, times: int | None = None) -> Scenario:
        """Let something happen when the request has arrived, before it is carried out."""

        def course(act: Act) -> Any:
            event()
            return act()

        return self._add(verb, Scenario(course=course, times=times))

    def meanwhile(self, verb: str, event: Callable[[], object], *, times: int | None = None) -> Scenario:
        """Let something happen when the request was carried out, before the answer arrives."""

        def course(act: Act) -> Any:
            answer = act()
            event()
            return answer

        return self._add(verb, Scenario(course=course, times=times))

    def _add(self, verb: str, scenario: Scenario) -> Scenario:
        self._by_verb[verb].append(scenario)
        return scenario

"""The exception by which a request is refused, with what its problem document says beside the problem."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from payments_gateway.serving.problems import Problem


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in one field of the body (``pointer``), one query ``parameter`` or one ``header``."""

    detail: str
    pointer: str = ""
    parameter: str = ""
    header: str = ""

    def document(self) -> dict[str, str]:
        """Return the members that say something."""
        members = {
            "detail": self.detail,
            "pointer": self.pointer,
            "parameter": self.parameter,
            "header": self.header,
        }
        return {name: value for name, value in members.items() if value}


@dataclass
class Refusal(Exception):
    """A request that was refused, and has changed nothing. ``members`` are added to the document."""

    problem: Problem
    faults: tuple[Fault, ...] = ()
    members: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.problem.code}: {self.problem.detail}"


def refusal(
    problem: Problem,
    detail: str = "",
    *,
    faults: Iterable[Fault] = (),
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Refusal:
    """Return a refusal, with a ``detail`` of this very request and further headers, if given."""
    told = replace(problem, detail=detail or problem.detail, headers={**problem.headers, **(headers or {})})
    return Refusal(told, tuple(faults), members)


def header_error(problem: Problem, header: str, detail: str = "") -> Refusal:
    """Return the refusal of a request for one of its headers, which it names."""
    return refusal(problem, detail, faults=[Fault(detail or problem.detail, header=header)])

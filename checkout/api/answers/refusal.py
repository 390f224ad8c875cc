"""The exception that refuses a request, with the details of its problem document."""

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
        """Return the members of the fault's document that are not empty."""
        members = {
            "detail": self.detail,
            "pointer": self.pointer,
            "parameter": self.parameter,
            "header": self.header,
        }
        return {name: value for name, value in members.items() if value}


@dataclass
class Refusal(Exception):
    """The refusal of a request, which has changed nothing. ``members`` are added to the problem document."""

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
    """Return a refusal. ``detail`` and ``headers``, if given, apply to this one request."""
    told = replace(problem, detail=detail or problem.detail, headers={**problem.headers, **(headers or {})})
    return Refusal(told, tuple(faults), members)


def header_error(problem: Problem, header: str, detail: str = "") -> Refusal:
    """Return the refusal of a request because of a header, which the refusal names."""
    return refusal(problem, detail, faults=[Fault(detail or problem.detail, header=header)])

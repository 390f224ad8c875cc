"""The product's source as data, for tests about its structure."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.support.program import ROOT


@dataclass(frozen=True)
class Module:
    """A source file."""

    path: Path

    @cached_property
    def name(self) -> str:
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def part(self) -> str:
        return part_of(self.name)

    @cached_property
    def source(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Return every name imported in the file, including in functions and under `if TYPE_CHECKING`."""
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        return frozenset(imported_names(self.tree, package))


def imported_names(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield absolute names of imported modules and members: `a.b`, `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            origin = ".".join([*above, *filter(None, [node.module])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def part_of(name: str) -> str:
    """Return the part of `checkout` to which a name belongs, such as `views`; "" for other names."""
    package, _, rest = name.partition(".")
    return rest.split(".")[0] if package == "checkout" else ""


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def modules_of(*packages: str) -> list[Module]:
    """Return all modules of these packages except migrations, which Django generates."""
    paths = sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))
    return [Module(path) for path in paths if not {"migrations", "node_modules"} & set(path.parts)]


def offences(modules: list[Module], is_forbidden: Callable[[Module, str], bool]) -> list[str]:
    """Return a line of text for each import that breaks a rule."""
    return sorted(
        f"{module.name} imports {name}"
        for module in modules
        for name in module.imports
        if is_forbidden(module, name)
    )

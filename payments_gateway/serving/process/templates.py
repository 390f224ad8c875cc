"""Templates that are read when a process starts, not when they are first rendered."""

from pathlib import Path

from django.template import engines
from django.template.backends.django import DjangoTemplates


def load_templates() -> None:
    """Read all templates of all applications, which Django then keeps.

    Otherwise, if another release is installed while a process runs, it would render the new templates, whose
    names and values it does not have.
    """
    for engine in engines.all():
        if not isinstance(engine, DjangoTemplates):
            continue
        for folder in map(Path, engine.template_dirs):
            for file in sorted(folder.rglob("*.*")):
                if file.is_file():
                    engine.get_template(file.relative_to(folder).as_posix())

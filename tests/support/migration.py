"""`manage.py migrate` as a process of its own, which a test may interrupt."""

import os
import sys
from pathlib import Path

from tests.support.program import Program


class Migration(Program):
    """``manage.py migrate`` to one migration, on one database."""

    def __init__(self, folder: Path, url: str, name: str, **environment: str) -> None:
        super().__init__(
            f"migrate to {name}",
            [sys.executable, "manage.py", "migrate", "payments", name],
            log=folder / f"migrate-{name}.log",
            environment={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
                "DATABASE_URL": url,
                **environment,
            },
        )

    def run(self) -> None:
        self.start()
        assert self.wait(seconds=60) == 0, self.text()

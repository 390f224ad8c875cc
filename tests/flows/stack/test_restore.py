"""A database is restored to an earlier moment, with the commands of docs/operations.md."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from checkout.tryout.scenarios import FRICTIONLESS
from scripts.services.postgresql import Postgresql, newest_binaries, unprivileged_user
from tests.flows.stack.shopping import paid_once, rows, shopper_at
from tests.flows.stack.site import opened
from tests.support.pages import block_of
from tests.support.program import ROOT
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.long,
    pytest.mark.timeout(400),
]

PAGE = (ROOT / "docs" / "operations.md").read_text()
OF_THE_PAGE = "2026-03-01 12:00:00+00"
BASE_OF_THE_PAGE = "base-2026-03-01T030000"
QUOTE = "'"
AT_WORK = "SELECT 1 FROM payments_saga WHERE status = 'running'"
OF_THE_RESTORE = """
    SELECT name FROM pg_file_settings
    WHERE name IN ('restore_command', 'recovery_target_time', 'recovery_target_action')"""
# The segment before the present one is in the archive.
ARCHIVED = """
    SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 16 * 1024 * 1024::numeric)
    FROM pg_stat_archiver"""


class Backups:
    """The commands and settings of the page, in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.restored = folder / "restored"
        folder.chmod(0o777)
        for each in (folder / "backups", folder / "backups" / "log"):
            each.mkdir()
            shutil.chown(each, "postgres")

    @property
    def settings(self) -> list[str]:
        """The settings of the page, as PostgreSQL's option `-c` takes them."""
        pairs = (line.split(" = ", 1) for line in self._block("archive_mode").splitlines())
        return [f"{name}={value.strip(QUOTE)}" for name, value in pairs]

    def run(self, opening: str, url: str, *, moment: str = OF_THE_PAGE, base: Path | None = None) -> None:
        """Run the block of the page with this beginning, as the user postgres, for this moment and backup."""
        parts = psycopg.conninfo.conninfo_to_dict(url)
        text = self._block(opening).replace(OF_THE_PAGE, moment)
        if base is not None:
            text = text.replace(f"{self.folder}/backups/{BASE_OF_THE_PAGE}", str(base))
        subprocess.run(
            ["sh", "-euc", text],
            env={
                "PATH": f"{newest_binaries()}:/usr/bin:/bin",
                "PGHOST": str(parts["host"]),
                "PGPORT": str(parts["port"]),
                "PGUSER": str(parts["user"]),
                "PGPASSWORD": str(parts["password"]),
            },
            user=unprivileged_user(),
            check=True,
        )

    def bases(self) -> list[Path]:
        """Return the base backups, the oldest first."""
        return sorted((self.folder / "backups").glob("base-*"))

    def _block(self, opening: str) -> str:
        block = block_of(PAGE, opening=opening)
        block = block.replace("/var/backups/payments", f"{self.folder}/backups")
        return block.replace("/var/lib/postgresql/restored", str(self.restored))


@pytest.fixture
def backups() -> Iterator[Backups]:
    # The user as which PostgreSQL runs cannot enter pytest's folders.
    with tempfile.TemporaryDirectory() as folder:
        yield Backups(Path(folder))


def pay(stack: Stack) -> str:
    shopper = shopper_at(stack, FRICTIONLESS)
    shopper.pay(shopper.order())
    paid_once(stack, shopper)
    wait_until(lambda: not rows(stack, AT_WORK), "every saga to end")
    return shopper.reference


def test_after_a_restore_reconciliation_names_what_the_database_does_not_have(backups):
    with opened(partial(Postgresql, settings=backups.settings)) as site:
        stack = site.stack
        before = pay(stack)
        backups.run("pg_basebackup", stack.database_url)
        [base] = backups.bases()
        since = pay(stack)
        [(moment,)] = rows(stack, "SELECT clock_timestamp()::text")
        forgotten = pay(stack)
        backups.run("pg_basebackup", stack.database_url)
        assert len(backups.bases()) == 2
        backups.run("oldest=", stack.database_url)
        rows(stack, "SELECT pg_switch_wal()")
        wait_until(lambda: rows(stack, ARCHIVED) == [(True,)], "the log to be archived")

        ours = [program for program in stack.programs.values() if program.name != "sandbox"]
        for program in ours:
            program.terminate()
        site.postgresql.stop()
        backups.run("cp -a", stack.database_url, moment=moment, base=base)
        site.postgresql.data = backups.restored
        site.postgresql.start()
        wait_until(lambda: rows(stack, "SELECT pg_is_in_recovery()") == [(False,)], "the end of recovery")
        backups.run("for setting in", stack.database_url)
        assert rows(stack, OF_THE_RESTORE) == []
        [command] = re.findall(r"^manage (gateway after-restore .*)$", PAGE, re.MULTILINE)
        stack.manage(*command.split()[:-1], moment.replace(" ", "T"))
        for program in ours:
            program.start()
        site.until_ready()

        paid = rows(stack, "SELECT reference FROM payments_payment WHERE state = 'captured'")
        assert {reference for (reference,) in paid} == {before, since}
        assert rows(stack, "SELECT count(*) FROM payments_postponedcomparison WHERE is_lock") == [(2,)]
        with pytest.raises(AssertionError, match=rf"{forgotten}-1 .*\(no payment of ours\)"):
            stack.manage("reconcile", "--since", "2020-01-01")
        assert pay(stack)

"""Run a command with RabbitMQ and PostgreSQL: `python -m scripts.with_services pytest tests/contracts`.

A service whose URL is already in the environment (BROKER_URL, DATABASE_URL) is used as it is. The others are
started before the command and stopped after it, however it ends. A service that is not installed is left out
with a note, or is an error with `--require`. Data is in a temporary folder, or stays in `--keep FOLDER`.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from scripts.services.postgresql import Postgresql
from scripts.services.process import Service, ServiceError
from scripts.services.rabbitmq import Rabbitmq

STOP_SECONDS = 60
# The exit code after Ctrl-C. The terminal sends this signal to the commands that we run, too.
INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the data there")
    parser.add_argument("--require", action="store_true", help="fail when a service cannot be had")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("which command?")
    stop_on_signals()
    try:
        with services(keep=options.keep, require=options.require) as environment:
            return run(options.command, environment)
    except ServiceError as error:
        report(str(error))
        return 1


@contextlib.contextmanager
def services(
    *, keep: Path | None = None, require: bool = False, postgresql: Sequence[str] = ()
) -> Iterator[dict[str, str]]:
    """Start the services and yield the environment for their users. Raises ServiceError if one is not there.

    `postgresql` has further settings of that server.
    """
    with contextlib.ExitStack() as stack:
        folder = keep.resolve() if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        # If we are root, PostgreSQL runs as another user, which must be able to enter this folder.
        folder.chmod(0o711)
        environment = dict(os.environ)
        makers: dict[str, Callable[[], Service]] = {
            "BROKER_URL": lambda: Rabbitmq(folder / "rabbitmq"),
            "DATABASE_URL": lambda: Postgresql(
                folder / "postgresql", durable=keep is not None, settings=postgresql
            ),
        }
        for variable, make in makers.items():
            if environment.get(variable):
                continue
            try:
                service = make()
                report(f"Starting {service.name}")
                service.start()
            except ServiceError as error:
                if require:
                    raise
                report(f"{error}\nGoing on without it.")
                continue
            stack.callback(service.stop)
            environment |= service.environment
        yield environment


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a command and return its exit code. If a signal stops us, let the command clean up first."""
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    except SystemExit as asked:
        let_clean_up(process, asked)
        raise


def let_clean_up(process: subprocess.Popen[bytes], asked: SystemExit) -> None:
    """Interrupt a command because a signal stops us, and wait until the command has cleaned up."""
    if asked.code != INTERRUPTED:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stop_on_signals() -> None:
    """Make SIGINT, SIGTERM and SIGHUP raise SystemExit, so that the started services are stopped."""
    every = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        # A second Ctrl-C must not interrupt the stopping of the services.
        for each in every:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for each in every:
        signal.signal(each, leave)


if __name__ == "__main__":
    sys.exit(main())

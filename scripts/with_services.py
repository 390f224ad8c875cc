"""Run a command with RabbitMQ and PostgreSQL: `scripts/with_services.py pytest tests/contracts`.

A service whose URL is already in the environment (BROKER_URL, DATABASE_URL) is used as it is. The others are
started for the time of the command and stopped afterwards, however it ends. What is not installed is left out
with a note, or is an error with `--require`. Data goes to a temporary folder, or to `--keep FOLDER` to stay.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.private_services import Postgresql, Rabbitmq, Service, ServiceError


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
        print(error, file=sys.stderr)
        return 1


@contextlib.contextmanager
def services(*, keep: Path | None = None, require: bool = False) -> Iterator[dict[str, str]]:
    """The environment for programs that use the services. Raises ServiceError when a required one is missing."""
    with contextlib.ExitStack() as stack:
        folder = keep.resolve() if keep else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        # PostgreSQL runs as another user when we are root, and must be able to pass through.
        folder.chmod(0o711)
        environment = dict(os.environ)
        for variable, make in (
            ("BROKER_URL", lambda: Rabbitmq(folder / "rabbitmq")),
            ("DATABASE_URL", lambda: Postgresql(folder / "postgresql", durable=keep is not None)),
        ):
            if environment.get(variable):
                continue
            try:
                service: Service = make()
                report(f"Starting {service.name}")
                service.start()
            except ServiceError as error:
                if require:
                    raise
                report(f"{error}\nGoing on without it.")
                continue
            stack.callback(stop, service)
            environment |= service.environment
        yield environment


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run to its end. Ctrl-C reaches the command by itself: it is in our process group."""
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        process.wait()
        raise


def stop(service: Service) -> None:
    report(f"Stopping {service.name}")
    service.stop()


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def stop_on_signals() -> None:
    """Let the `finally` blocks run when we are asked to end."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        # Once is enough: a second Ctrl-C must not interrupt the stopping of services.
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, leave)


if __name__ == "__main__":
    sys.exit(main())

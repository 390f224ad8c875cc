"""``manage.py run_demo``: runs a whole gateway without installing servers, and makes one purchase."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from checkout.conf import conf
from checkout.tryout.children import ChildFailed, Stopped
from checkout.tryout.demo import Demo
from checkout.tryout.mess import MessFailed
from checkout.tryout.ports import PortTaken, sandbox_port, web_port

PORT = 8000


class Command(BaseCommand):
    """Make one purchase, print every hop, and keep the try-out running."""

    help = "Try it out: one purchase through 3-D Secure with its timeline, then serve until Ctrl-C."
    requires_system_checks: list[str] = []  # its child processes have their own settings, and check them

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments: ports and a folder. The defaults suit a laptop."""
        parser.add_argument("--once", action="store_true", help="stop after the purchase, with its exit code")
        parser.add_argument(
            "--mess", action="store_true", help="leave one of everything that staff have to settle"
        )
        parser.add_argument(
            "--port", type=int, default=web_port(), help="of the gateway (default: WEB_PORT, or 8000)"
        )
        parser.add_argument(
            "--sandbox-port",
            type=int,
            default=sandbox_port(),
            help="of the sandbox (default: SANDBOX_PORT, or 8001)",
        )
        parser.add_argument(
            "--folder",
            type=Path,
            help="data and logs, replaced at each start (default: .local/demo, .local/demo-PORT on another)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with the purchase's code, 1 if a program does not run, or 130 if stopped before the end."""
        port = options["port"]
        # Another try-out at the same time, on another port, has a folder of its own.
        folder = options["folder"] or conf.base_dir / ".local" / ("demo" if port == PORT else f"demo-{port}")
        demo = Demo(
            folder=folder.resolve(),
            root=conf.base_dir,
            port=port,
            sandbox_port=options["sandbox_port"],
            leaves_mess=options["mess"],
        )
        try:
            code = demo.run(self._say, once=options["once"])
        except (PortTaken, ChildFailed, MessFailed) as error:
            raise CommandError(str(error)) from error
        except Stopped:
            raise SystemExit(130) from None
        if code:
            raise SystemExit(code)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

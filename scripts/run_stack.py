"""Run the real stack on this machine: the Procfile's processes on RabbitMQ and PostgreSQL, with example data.

Data is kept between runs, in `.local/` or the folder that DATA names. If BROKER_URL or DATABASE_URL is set,
that server is used. On a broker that this script starts, each process has a user of its own with a random
password, which is kept with the data. On your own broker all processes use the user in BROKER_URL.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from checkout.conf.published import DEVELOPMENT_KEY
from checkout.tryout.ports import PortTaken, check_ports, sandbox_port, web_port
from checkout.tryout.running import announced, private_files
from scripts.services.process import ServiceError
from scripts.with_services import report, run, services, stop_on_signals

ROOT = Path(__file__).resolve().parent.parent
VHOST = "gateway"
# This key is public, like all of the sandbox's secrets.
NOTIFICATIONS = "/notifications/sandbox/sandbox-notification-secret/"


def with_urls(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the addresses of web and the sandbox, made from their ports."""
    public = f"http://localhost:{environment.get('WEB_PORT') or 8000}"
    public = environment.get("PUBLIC_URL") or public
    return {
        "SANDBOX_URL": f"http://127.0.0.1:{environment.get('SANDBOX_PORT') or 8001}",
        "SANDBOX_NOTIFICATION_URL": public.rstrip("/") + NOTIFICATIONS,
        **environment,
        "PUBLIC_URL": public,
    }


def addresses(environment: Mapping[str, str]) -> list[str]:
    """Return lines with the addresses of the broker and database that were started, for other programs.

    A server that the environment names is left out: its address is known, and may have a password. So is a
    secret key from the environment, with which an operator's own service checks commands.
    """
    lines = []
    if not os.environ.get("DATABASE_URL"):
        lines.append(f"  DATABASE_URL={environment['DATABASE_URL']}")
    if not os.environ.get("BROKER_URL"):
        lines += [f"  BROKER_URL={_command_for_address(environment)}"]
    if not os.environ.get("SECRET_KEY"):
        lines.append(f"  SECRET_KEY={DEVELOPMENT_KEY}")
    if not os.environ.get("BROKER_URL"):
        lines += [
            "BROKER_URL is a command for the shell, which puts user and password into the broker's address.",
            f"A service of your own has a user of its own. All are in {environment['BROKER_PASSWORDS']}",
        ]
    return ["For manage.py, and services of your own, beside it:", *lines] if lines else []


def _command_for_address(environment: Mapping[str, str]) -> str:
    """Return a shell command that prints the broker's address with the user of web, for manage.py."""
    user = f"{environment.get('CHECKOUT_PREFIX') or 'checkout'}.web"
    arguments = [environment["BROKER_URL"], environment["BROKER_PASSWORDS"], user]
    return f'"$({shlex.join([sys.executable, "-m", "scripts.broker_url", *arguments])})"'


def main() -> int:
    os.chdir(ROOT)
    # honcho and the Procfile's commands are found in the virtual environment's bin folder.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ["PACKAGES"] = "rabbitmq-server postgresql"
    # DEBUG=true would make Django keep the text of every SQL statement, which costs time and memory.
    if "DEBUG" not in os.environ:
        os.environ |= {"DEBUG": "false", "CHECKOUT_TRY_OUT": os.environ.get("CHECKOUT_TRY_OUT", "true")}
    os.environ |= with_urls(os.environ)
    stop_on_signals()
    subprocess.run(["scripts/install_packages.sh"], check=False)
    try:
        check_ports(web_port(), sandbox_port())
        folder = Path(os.environ.get("DATA", ROOT / ".local")).resolve()
        with private_files(), services(keep=folder, require=True) as environment:
            # The sandbox keeps its books, too: without them it would contradict the kept database.
            environment.setdefault("SANDBOX_BOOKS", str(folder / "sandbox" / "books.sqlite3"))
            if os.environ.get("BROKER_URL"):
                environment.setdefault("CHECKOUT_SINGLE_BROKER_USER", "true")
            else:
                environment |= make_broker_users(environment, folder / "rabbitmq" / "passwords.json")
            for command in (["migrate", "--verbosity=0"], ["load_example"]):
                report(f"manage.py {command[0]}")
                subprocess.run([sys.executable, "manage.py", *command], env=environment, check=True)
            report(f"The gateway will be at {environment['PUBLIC_URL']}; Ctrl-C stops everything")
            for address in addresses(environment):
                report(address)
            try:
                with announced(ROOT, environment["PUBLIC_URL"]):
                    return run([sys.executable, "-m", "scripts.processes"], environment)
            except SystemExit:
                return 0  # a signal is the normal way to stop the stack
    except (ServiceError, PortTaken) as error:
        report(str(error))
    except subprocess.CalledProcessError as error:
        report(f"{error}")
    return 1


def make_broker_users(environment: Mapping[str, str], passwords: Path) -> dict[str, str]:
    """Create one broker user per process and delete the user `guest`. Return the variables to override."""
    url = urlsplit(environment["BROKER_URL"])._replace(path=f"/{VHOST}")
    url = url._replace(netloc=f"{url.hostname}:{url.port}")
    command = [sys.executable, "manage.py", "broker_users", "--vhost", VHOST, "--passwords", str(passwords)]
    made = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    control = environment["RABBITMQ_CONTROL"]
    definitions = passwords.with_name("definitions.json")
    definitions.touch(mode=0o600)
    definitions.write_bytes(made.stdout)
    subprocess.run([control, "import_definitions", definitions], check=True, stdout=subprocess.DEVNULL)
    # The user `guest` exists only until the first start has deleted it.
    subprocess.run([control, "delete_user", "guest"], check=False, capture_output=True)
    return {"BROKER_URL": url.geturl(), "BROKER_PASSWORDS": str(passwords)}


if __name__ == "__main__":
    sys.exit(main())

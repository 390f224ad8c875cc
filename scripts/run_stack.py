"""The real stack on this machine: the Procfile's processes on RabbitMQ and PostgreSQL, with example data.

Data is kept between runs, in `.local/` or the folder that DATA names. A BROKER_URL or DATABASE_URL of
your own is used as it is.
"""

import os
import subprocess
import sys
from pathlib import Path

from scripts.services.process import ServiceError
from scripts.with_services import report, run, services, stop_on_signals

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    os.chdir(ROOT)
    # honcho and the Procfile's commands are the virtual environment's.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    os.environ["PACKAGES"] = "rabbitmq-server postgresql"
    # Without what Django does for debugging: it keeps every statement and composes it anew to do so.
    if "DEBUG" not in os.environ:
        os.environ |= {"DEBUG": "false", "CHECKOUT_TRY_OUT": os.environ.get("CHECKOUT_TRY_OUT", "true")}
    stop_on_signals()
    subprocess.run(["scripts/install_packages.sh"], check=False)
    try:
        folder = Path(os.environ.get("DATA", ROOT / ".local")).resolve()
        with services(keep=folder, require=True) as environment:
            # A provider that had forgotten the payments that we remember would differ from our books.
            environment.setdefault("SANDBOX_BOOKS", str(folder / "sandbox" / "books.sqlite3"))
            for command in (["migrate", "--verbosity=0"], ["load_example"]):
                report(f"manage.py {command[0]}")
                subprocess.run([sys.executable, "manage.py", *command], env=environment, check=True)
            if not os.environ.get("DATABASE_URL"):
                report(f"For manage.py beside it: DATABASE_URL={environment['DATABASE_URL']}")
            report("The gateway will be at http://localhost:8000; Ctrl-C stops everything")
            return run([sys.executable, "-m", "honcho", "start"], environment)
    except ServiceError as error:
        report(str(error))
    except subprocess.CalledProcessError as error:
        report(f"{error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())

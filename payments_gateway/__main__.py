"""The gateway's command line: `payments-gateway`, `python -m payments_gateway` and `manage.py`."""

import atexit
import gc
import os
import sys
from io import TextIOWrapper

from django.core.management import execute_from_command_line

from checkout.version import VERSION

# The exit codes that a shell shows for SIGINT and SIGPIPE.
INTERRUPTED, READER_GONE = 130, 141


def main() -> None:
    """Run the command. Ctrl-C, or a reader such as `head` that closes the pipe, causes no traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    # At exit, Python would search all loaded objects for garbage, a fifth of a command's time.
    atexit.register(gc.freeze)
    # An operator's own applications are modules of the working directory, as they are for `manage.py`.
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal without UTF-8 shows an arrow or a name as an escape; that is no error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if sys.argv[1:] == ["--version"]:
            sys.stdout.write(f"{VERSION}\n")  # otherwise Django would name its own program
        else:
            execute_from_command_line(sys.argv)
        if isinstance(sys.stdout, TextIOWrapper):  # None if the process was started without this stream
            sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # At exit, Python writes the rest of the buffer, which has no reader either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)


if __name__ == "__main__":
    main()

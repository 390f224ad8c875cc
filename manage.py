#!/usr/bin/env python
"""Django's command line for this project."""

import atexit
import gc
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    # At the end Python would look for garbage in everything that was loaded, a fifth of a command's time.
    atexit.register(gc.freeze)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "payments_gateway.settings")
    execute_from_command_line(sys.argv)

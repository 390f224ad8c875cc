"""The sub-commands of ``manage.py gateway``, one module for each.

A module has ``HELP``, ``add_arguments``, and ``run``, which returns the exit code.
"""

"""The sub-commands of ``manage.py gateway``, each with its arguments and its work.

A module has ``HELP``, ``add_arguments`` and ``run``, which returns the exit code.
"""

"""The requirements that a process checks before it starts to work. If one is not met, it does not start."""

import os
from collections.abc import Iterable

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS

from checkout.conf.card_keys import HOLDERS
from checkout.database.application_name import application_name
from checkout.database.required_migrations import require_migrated
from checkout.errors import CardKeysMisconfigured
from checkout.keys.agreement import require_agreement
from checkout.participants import require_user
from checkout.privacy.card_seal import require_keys
from checkout.running.services import names_in_place


def require_ready(*programs: str, databases: Iterable[str]) -> None:
    """Check that this process may run these programs. Raises ImproperlyConfigured with the reason.

    Every program also checks that the services in ``conf.in_place`` can work there. Keys are compared in the
    default database, so those of a process with only a database of its own are not compared.
    """
    # The name of this process's connections in PostgreSQL, by which `gateway doctor` knows that the process
    # runs.
    os.environ["PGAPPNAME"] = application_name(*programs)
    require_user(*programs)
    names_in_place()
    if HOLDERS.intersection(programs):
        try:
            require_keys()
        except CardKeysMisconfigured as error:
            raise ImproperlyConfigured(str(error)) from error
    own = set(databases)
    require_migrated(own)
    if DEFAULT_DB_ALIAS in own:
        require_agreement(programs)

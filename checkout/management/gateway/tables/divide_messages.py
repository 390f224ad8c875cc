"""``manage.py gateway divide-messages``: divides filled tables of messages into months."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import OperationalError, connections, transaction
from django.utils import timezone

from checkout.database.index_building import without_time_limit
from checkout.database.owners import databases
from checkout.management.gateway.output import Output
from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.outbox.months import months_from
from messaging.outbox.partitions import divide, is_divided

HELP = (
    "Divides the tables of sent and handled messages into months, as new installations have them from the "
    "start. Copies all messages while everybody waits, so stop the other processes first. PostgreSQL only. "
    "It may be repeated."
)
LOCK_TIMEOUT = "5s"


def add_arguments(parser: CommandParser) -> None:
    """Take no arguments: the tables of all databases are divided."""


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Return 0; raise CommandError if a table is in use, or cannot be divided."""
    for database in databases():
        connection = connections[database]
        if connection.vendor != "postgresql":
            raise CommandError(f"The database {database} is not PostgreSQL, whose tables alone have months.")
        for model in (InboxMessage, OutboxMessage):
            table = model._meta.db_table
            if is_divided(connection, model):
                out.write(f"{database}: {table} has months already.")
                continue
            try:
                with without_time_limit(connection), transaction.atomic(using=database):
                    with connection.cursor() as cursor:
                        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                    divide(connection, model, *months_from(timezone.now()))
            except OperationalError as error:
                raise CommandError(
                    f"{database}: {table} is in use. Stop the other processes, and repeat this. "
                    f"PostgreSQL says: {error}"
                ) from error
            out.write(f"{database}: {table} has months now.")
    return 0

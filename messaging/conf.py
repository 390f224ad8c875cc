"""The settings of this package, with defaults that suit a laptop."""

from functools import cached_property

from django.conf import settings

from messaging.setting import number, reread_on_change, text, whole


class Conf:
    """Messaging."""

    broker_url = text(
        "BROKER_URL",
        "memory://",
        "The broker's address: amqp://, amqps:// or memory://. A cluster has several hosts, with commas "
        "between them, each with its port if that is another than 5672 (5671 with amqps). amqps:// takes "
        "?cafile=, ?certfile= and ?keyfile=, which name files in PEM format. Characters such as / ? # in the "
        "password are percent-encoded (%2F %3F %23).",
    )
    broker_zone = text(
        "MESSAGING_BROKER_ZONE",
        "",
        "The hosts in BROKER_URL whose names contain this text are tried before the others.",
    )
    quorum_group_size = whole(
        "MESSAGING_QUORUM_GROUP_SIZE",
        0,
        "The nodes of a cluster that get a copy of a new quorum queue (x-quorum-initial-group-size); 0: as "
        "the broker chooses. Queues that exist keep their copies.",
        ge=0,
    )
    prefix = text(
        "MESSAGING_PREFIX", "messaging", "The beginning of the names of exchanges, queues and users."
    )
    app_id = text("MESSAGING_APP_ID", "", "The application id (app_id) of every message.")
    max_waiters = whole(
        "MESSAGING_MAX_WAITERS", 2000, "The replies that one process may wait for at once.", ge=1
    )
    worker_threads = whole(
        "MESSAGING_WORKER_THREADS", 8, "The messages that one service handles at once in one process.", ge=1
    )
    database_threads = whole(
        "MESSAGING_DATABASE_THREADS", 8, "The threads for database work of code on the event loop.", ge=1
    )
    outbox_grace_seconds = number(
        "MESSAGING_OUTBOX_GRACE_SECONDS",
        5,
        "The seconds for which the relay waits for the process that wrote a message to publish it.",
        gt=0,
    )
    relay_poll_seconds = number(
        "MESSAGING_RELAY_POLL_SECONDS",
        0.5,
        "The seconds after which the relay looks for due messages and passed deadlines without being woken; "
        "while nothing happens, ten times as many, but at most 5.",
        gt=0,
    )

    @cached_property
    def is_in_memory(self) -> bool:
        """Return True if the broker lives in this process, so that all programs must run in it, too."""
        return self.broker_url.startswith("memory:")

    @cached_property
    def is_single_broker_user(self) -> bool:
        """Return True if all programs share one broker user, so that senders are not checked."""
        return bool(getattr(settings, "MESSAGING_SINGLE_BROKER_USER", self.is_in_memory))


conf = reread_on_change(Conf())

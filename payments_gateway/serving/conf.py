"""The settings of this package: limits of one process, its public address, and the type of its problems."""

from functools import cached_property

from django.conf import settings

from messaging.setting import number, reread_on_change, whole


class Conf:
    """Limits of one process."""

    @cached_property
    def public_url(self) -> str:
        """The address at which browsers and programs reach the application, without a trailing slash."""
        return str(settings.PUBLIC_URL).rstrip("/")

    @cached_property
    def is_tls(self) -> bool:
        """Return True if browsers and programs reach the application over TLS."""
        return self.public_url.startswith("https://")

    @cached_property
    def root_urlconf(self) -> str:
        """The module with the addresses of the whole project."""
        return str(settings.ROOT_URLCONF)

    @cached_property
    def static_path(self) -> str:
        """The beginning of the paths of static files, with a slash at both ends."""
        return f"/{str(settings.STATIC_URL).strip('/')}/"

    @cached_property
    def problem_types(self) -> str:
        """The beginning of the ``type`` of every problem document (RFC 9457); the problem's code follows."""
        return str(getattr(settings, "SERVING_PROBLEM_TYPES", "urn:problem:"))

    max_held = whole(
        "SERVING_MAX_HELD",
        5000,
        "The held requests that one web process admits at once, whatever they wait for.",
        ge=1,
    )
    max_held_per_address = whole(
        "SERVING_MAX_HELD_PER_ADDRESS",
        500,
        "The held requests that one web process admits at once from one address.",
        ge=1,
    )
    max_sockets = whole(
        "SERVING_MAX_SOCKETS", 10_000, "The WebSockets that one web process keeps open at once.", ge=1
    )
    max_sockets_per_address = whole(
        "SERVING_MAX_SOCKETS_PER_ADDRESS",
        200,
        "The WebSockets that one web process keeps open at once from one address.",
        ge=1,
    )
    pages_at_once = whole(
        "SERVING_PAGES_AT_ONCE",
        8,
        "The pages (requests that are neither held nor log-ins) that have a thread at once in one web "
        "process.",
        ge=1,
    )
    max_pages = whole(
        "SERVING_MAX_PAGES",
        500,
        "The pages that one web process admits at once, including those that wait for a thread.",
        ge=1,
    )
    max_pages_per_address = whole(
        "SERVING_MAX_PAGES_PER_ADDRESS",
        50,
        "The pages that one web process admits at once from one address.",
        ge=1,
    )
    max_connections = whole(
        "SERVING_MAX_CONNECTIONS",
        20_000,
        "The connections that one web process holds at once. If the process's limit of open files minus 128 "
        "is lower, that number applies.",
        ge=1,
    )
    max_connections_per_address = whole(
        "SERVING_MAX_CONNECTIONS_PER_ADDRESS",
        1000,
        "The connections that one web process holds at once from one address, unless the "
        "address is that of a trusted proxy.",
        ge=1,
    )
    max_body_bytes = whole(
        "SERVING_MAX_BODY_BYTES", 262_144, "The largest accepted body of a request, in bytes.", ge=1
    )
    body_seconds = number(
        "SERVING_BODY_SECONDS", 10, "The seconds in which a client must have sent a request's body.", gt=0
    )
    body_bytes_per_second = number(
        "SERVING_BODY_BYTES_PER_SECOND",
        500,
        "The average speed at which a request's body must arrive, in bytes a second, once the time in which "
        "it may be slower is over; 0 for no such limit.",
        ge=0,
    )
    body_grace_seconds = number(
        "SERVING_BODY_GRACE_SECONDS",
        3,
        "The seconds for which a request's body may be slower than the average speed that it must have.",
        gt=0,
    )
    header_seconds = number(
        "SERVING_HEADER_SECONDS",
        10,
        "The seconds in which a client must have sent a request's line and headers.",
        gt=0,
    )
    send_seconds = number(
        "SERVING_SEND_SECONDS",
        30,
        "The seconds for which a client may leave a response unread before its connection is closed.",
        gt=0,
    )
    passwords_at_once = whole(
        "SERVING_PASSWORDS_AT_ONCE",
        1,
        "The log-ins whose passwords one web process checks at once.",
        ge=1,
    )
    max_log_ins = whole(
        "SERVING_MAX_LOG_INS",
        20,
        "The log-ins that one web process admits at once, including those that wait for their turn.",
        ge=1,
    )
    max_log_ins_per_address = whole(
        "SERVING_MAX_LOG_INS_PER_ADDRESS",
        5,
        "The log-ins that one web process admits at once from one address.",
        ge=1,
    )


conf = reread_on_change(Conf())

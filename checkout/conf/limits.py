"""Limits on the work that one process does at a time, and on the slowness of its clients."""

from messaging.setting import number, whole


class Limits:
    """Limits of one process."""

    max_held = whole(
        "CHECKOUT_MAX_HELD",
        5000,
        "The requests to the checkout that one web process holds at once, whatever they wait for.",
        ge=1,
    )
    max_held_per_address = whole(
        "CHECKOUT_MAX_HELD_PER_ADDRESS",
        500,
        "The requests to the checkout that one web process holds at once from one address (IPv6: one /64).",
        ge=1,
    )
    max_sockets = whole(
        "CHECKOUT_MAX_SOCKETS", 10_000, "The WebSockets that one web process keeps open at once.", ge=1
    )
    max_sockets_per_address = whole(
        "CHECKOUT_MAX_SOCKETS_PER_ADDRESS",
        200,
        "The WebSockets that one web process keeps open at once from one address (IPv6: one /64).",
        ge=1,
    )
    pages_at_once = whole(
        "CHECKOUT_PAGES_AT_ONCE",
        8,
        "The requests outside the checkout, without log-ins, that have a thread at once in one web process.",
        ge=1,
    )
    max_pages = whole(
        "CHECKOUT_MAX_PAGES",
        500,
        "The requests outside the checkout, without log-ins, that one web process admits at once, including "
        "the requests that wait for a thread.",
        ge=1,
    )
    max_pages_per_address = whole(
        "CHECKOUT_MAX_PAGES_PER_ADDRESS",
        50,
        "The requests outside the checkout, without log-ins, that one web process admits at once from one "
        "address (IPv6: one /64).",
        ge=1,
    )
    max_connections = whole(
        "CHECKOUT_MAX_CONNECTIONS",
        20_000,
        "The connections that one web process holds at once. If the process's limit of open files minus 128 "
        "is lower, that number applies.",
        ge=1,
    )
    max_connections_per_address = whole(
        "CHECKOUT_MAX_CONNECTIONS_PER_ADDRESS",
        1000,
        "The connections that one web process holds at once from one address (IPv6: one /64), unless the "
        "address is that of a trusted proxy.",
        ge=1,
    )
    max_body_bytes = whole(
        "CHECKOUT_MAX_BODY_BYTES", 262_144, "The largest accepted body of a request, in bytes.", ge=1
    )
    body_seconds = number(
        "CHECKOUT_BODY_SECONDS", 10, "The seconds in which a client must have sent a request's body.", gt=0
    )
    body_bytes_per_second = number(
        "CHECKOUT_BODY_BYTES_PER_SECOND",
        500,
        "The average speed at which a request's body must arrive, in bytes a second, once "
        "CHECKOUT_BODY_GRACE_SECONDS are over; 0 for no such limit.",
        ge=0,
    )
    body_grace_seconds = number(
        "CHECKOUT_BODY_GRACE_SECONDS",
        3,
        "The seconds for which a request's body may be slower than CHECKOUT_BODY_BYTES_PER_SECOND.",
        gt=0,
    )
    header_seconds = number(
        "CHECKOUT_HEADER_SECONDS",
        10,
        "The seconds in which a client must have sent a request's line and headers.",
        gt=0,
    )
    send_seconds = number(
        "CHECKOUT_SEND_SECONDS",
        30,
        "The seconds for which a client may leave a response unread before its connection is closed.",
        gt=0,
    )
    database_seconds = number(
        "CHECKOUT_DATABASE_SECONDS",
        10,
        "The seconds that one SQL statement may take at most; 0 for no limit, which a migration may need.",
        ge=0,
    )

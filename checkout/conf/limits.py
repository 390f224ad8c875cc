"""Limits on the work that one process does at a time, and on the slowness of its clients."""

from messaging.setting import number, whole


class Limits:
    """Limits of one process."""

    max_held = whole(
        "CHECKOUT_MAX_HELD",
        5000,
        "Requests to the checkout that one web process holds at once, whatever they wait for.",
        ge=1,
    )
    max_held_per_address = whole(
        "CHECKOUT_MAX_HELD_PER_ADDRESS", 500, "The most of them from one address (of IPv6: one /64).", ge=1
    )
    max_sockets = whole(
        "CHECKOUT_MAX_SOCKETS", 10_000, "WebSockets that one web process keeps open at once.", ge=1
    )
    max_sockets_per_address = whole(
        "CHECKOUT_MAX_SOCKETS_PER_ADDRESS", 200, "The most of them from one address (of IPv6: one /64).", ge=1
    )
    pages_at_once = whole(
        "CHECKOUT_PAGES_AT_ONCE",
        8,
        "Requests outside the checkout, log-ins aside, that have a thread at once in one web process.",
        ge=1,
    )
    max_pages = whole(
        "CHECKOUT_MAX_PAGES",
        500,
        "Such requests that one web process lets in at once, those included that wait for a thread.",
        ge=1,
    )
    max_pages_per_address = whole(
        "CHECKOUT_MAX_PAGES_PER_ADDRESS", 50, "The most of them from one address (of IPv6: one /64).", ge=1
    )
    max_connections = whole(
        "CHECKOUT_MAX_CONNECTIONS",
        20_000,
        "Connections that one web process holds at once; less where it may open fewer files.",
        ge=1,
    )
    max_connections_per_address = whole(
        "CHECKOUT_MAX_CONNECTIONS_PER_ADDRESS",
        1000,
        "The most of them from one address (of IPv6: one /64) that is no proxy of ours.",
        ge=1,
    )
    max_body_bytes = whole(
        "CHECKOUT_MAX_BODY_BYTES", 262_144, "The largest body of a request that is accepted, in bytes.", ge=1
    )
    body_seconds = number(
        "CHECKOUT_BODY_SECONDS", 10, "The seconds in which a client must have sent a request's body.", gt=0
    )
    body_bytes_per_second = number(
        "CHECKOUT_BODY_BYTES_PER_SECOND",
        500,
        "The average speed at which a body must arrive after the grace; 0 for no such limit.",
        ge=0,
    )
    body_grace_seconds = number(
        "CHECKOUT_BODY_GRACE_SECONDS", 3, "The grace: a body may be slower for so many seconds.", gt=0
    )
    header_seconds = number(
        "CHECKOUT_HEADER_SECONDS",
        10,
        "The seconds in which a client must have sent a request's line and headers.",
        gt=0,
    )
    send_seconds = number(
        "CHECKOUT_SEND_SECONDS", 30, "The seconds for which a client may leave unread what it is sent.", gt=0
    )
    database_seconds = number(
        "CHECKOUT_DATABASE_SECONDS",
        10,
        "The most seconds that one statement may take; 0 for no limit, as a migration may need.",
        ge=0,
    )

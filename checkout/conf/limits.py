"""Limits on the work that one process takes on at a time, and on the slowness of its clients."""

from functools import cached_property

from django.conf import settings


class Limits:
    """See the module."""

    @cached_property
    def max_held(self) -> int:
        """Requests to the checkout that one web process holds at once, whatever they wait for."""
        return int(getattr(settings, "CHECKOUT_MAX_HELD", 5000))

    @cached_property
    def max_held_per_address(self) -> int:
        """The most of them from one address (of IPv6: one /64 network)."""
        return int(getattr(settings, "CHECKOUT_MAX_HELD_PER_ADDRESS", 500))

    @cached_property
    def max_sockets(self) -> int:
        """WebSockets that one web process keeps open at once."""
        return int(getattr(settings, "CHECKOUT_MAX_SOCKETS", 10_000))

    @cached_property
    def max_sockets_per_address(self) -> int:
        """The most of them from one address (of IPv6: one /64 network)."""
        return int(getattr(settings, "CHECKOUT_MAX_SOCKETS_PER_ADDRESS", 200))

    @cached_property
    def pages_at_once(self) -> int:
        """Requests outside the checkout, log-ins aside, that have a thread at once in one web process."""
        return int(getattr(settings, "CHECKOUT_PAGES_AT_ONCE", 8))

    @cached_property
    def max_pages(self) -> int:
        """The number of them that one web process lets in at once, those included that wait for a thread."""
        return int(getattr(settings, "CHECKOUT_MAX_PAGES", 500))

    @cached_property
    def max_pages_per_address(self) -> int:
        """The number of those from one address (of IPv6: one /64 network)."""
        return int(getattr(settings, "CHECKOUT_MAX_PAGES_PER_ADDRESS", 50))

    @cached_property
    def max_connections(self) -> int:
        """Connections that one web process holds at once; less where it may open fewer files."""
        return int(getattr(settings, "CHECKOUT_MAX_CONNECTIONS", 20_000))

    @cached_property
    def max_connections_per_address(self) -> int:
        """The number of them from one address (of IPv6: one /64 network) that is no proxy of ours."""
        return int(getattr(settings, "CHECKOUT_MAX_CONNECTIONS_PER_ADDRESS", 1000))

    @cached_property
    def max_body_bytes(self) -> int:
        """The largest request or message body accepted, in bytes."""
        return int(getattr(settings, "CHECKOUT_MAX_BODY_BYTES", 262_144))

    @cached_property
    def body_seconds(self) -> float:
        """The seconds in which a client must have sent a request's body."""
        return float(getattr(settings, "CHECKOUT_BODY_SECONDS", 10.0))

    @cached_property
    def body_bytes_per_second(self) -> float:
        """The average speed at which a request's body must arrive after the grace; 0 for no such limit."""
        return float(getattr(settings, "CHECKOUT_BODY_BYTES_PER_SECOND", 500.0))

    @cached_property
    def body_grace_seconds(self) -> float:
        """The grace: a body may be slower than that for so long."""
        return float(getattr(settings, "CHECKOUT_BODY_GRACE_SECONDS", 3.0))

    @cached_property
    def header_seconds(self) -> float:
        """The time that a client may take to send a request's line and headers."""
        return float(getattr(settings, "CHECKOUT_HEADER_SECONDS", 10.0))

    @cached_property
    def send_seconds(self) -> float:
        """The time for which a client may leave unread what it is sent."""
        return float(getattr(settings, "CHECKOUT_SEND_SECONDS", 30.0))

    @cached_property
    def database_seconds(self) -> float:
        """The most seconds that one statement may take; 0 for no limit, as a migration may need."""
        return float(getattr(settings, "CHECKOUT_DATABASE_SECONDS", 10.0))

"""The HTTP server of a process's metrics, if ports are configured for it."""

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from wsgiref.simple_server import WSGIServer

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from checkout.conf import conf
from checkout.metrics import of_installation, of_process
from checkout.metrics.families import Families
from messaging import tallies
from messaging.broker import Broker
from payments_gateway.serving.tallies import lag_watched

log = structlog.get_logger(__name__)

RELAY = "relay"


@contextmanager
def shown(
    programs: Sequence[str], broker: Broker, in_progress: Mapping[str, Callable[[], int]]
) -> Iterator[None]:
    """Collect and serve the metrics of a process that runs these programs, on the running event loop.

    If all ports are taken, the process works without serving metrics.
    """
    tallies.begin()
    server = _serve(_registry(programs, broker, in_progress))
    try:
        with lag_watched():
            yield
    finally:
        if server is not None:
            server[0].shutdown()
            server[0].server_close()
            server[1].join()


def _registry(
    programs: Sequence[str], broker: Broker, in_progress: Mapping[str, Callable[[], int]]
) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    figures = of_process.figures(programs, broker, in_progress)
    if RELAY in programs:
        figures += of_installation.figures()
    registry.register(Families(figures))
    return registry


def _serve(registry: CollectorRegistry) -> tuple[WSGIServer, Thread] | None:
    first, _, last = conf.metrics_ports.partition("-")
    for port in range(int(first), int(last or first) + 1):
        try:
            return start_http_server(port, conf.metrics_host, registry)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                log.error("metrics not shown", port=port, reason=str(error))
                return None
    log.error("metrics not shown", ports=conf.metrics_ports, reason="all ports are taken")
    return None

"""Optional metrics and traces of a process. The code for them is loaded only if they are configured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import structlog

from checkout.conf import conf
from checkout.payments.timers.timer import Timer
from checkout.running import tracing
from checkout.version import VERSION
from messaging.broker import Broker

log = structlog.get_logger(__name__)

Counts = Mapping[str, Callable[[], int]]


@contextmanager
def observed(programs: Sequence[str], broker: Broker, in_progress: Counts | None = None) -> Iterator[None]:
    """Serve the metrics of a process that runs these programs, and record traces, if configured.

    ``in_progress`` counts the process's work by kind.
    """
    log.info("program started", programs=list(programs), version=VERSION)
    with ExitStack() as stack:
        if tracing.are_wanted():
            stack.enter_context(tracing.recorded(programs))
        if conf.metrics_ports:
            from checkout.metrics.serving import shown

            stack.enter_context(shown(programs, broker, in_progress or {}))
        yield


def figures_timers() -> list[Timer]:
    """Return the timers that collect the metrics of the installation, if metrics are served."""
    if not conf.metrics_ports:
        return []
    from checkout.metrics import of_installation

    often, seldom = of_installation.EVERY_SECONDS, of_installation.WITHOUT_INDEX_SECONDS
    return [
        Timer("figures", partial(of_installation.collect, often), often),
        Timer("figures without an index", partial(of_installation.collect, seldom), seldom),
        Timer("figures of queues", of_installation.collect_queues, often),
    ]

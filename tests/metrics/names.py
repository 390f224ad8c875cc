"""The names of the metrics that the gateway's processes show."""

from prometheus_client.core import Metric

from checkout.metrics import of_installation, of_process
from checkout.metrics.families import Families
from messaging.registry import make_broker

ENDINGS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
# The metrics of ``prometheus_client``'s own collector, which differ between systems.
OF_PYTHON = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
}


def families() -> list[Metric]:
    """Return all metric families of a process that runs all programs. A broker needs a running loop."""
    broker = make_broker("memory://", "names")
    figures = of_process.figures(["relay"], broker, {"held_requests": lambda: 0})
    return list(Families([*figures, *of_installation.figures()]).collect())


def shown_names() -> set[str]:
    """Return the names of all samples."""
    own = {f"{each.name}{ending}" for each in families() for ending in ENDINGS[each.type]}
    return own | OF_PYTHON

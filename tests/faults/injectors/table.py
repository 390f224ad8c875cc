"""Every fault by its number. Several faults may share a number."""

from collections.abc import Sequence

from tests.faults.injectors import broker, clients, cluster, database, host, processes, provider, standby
from tests.faults.injectors.storm import Fault

PROCESSES, BROKER, DATABASE, OUTSIDE = "processes", "broker", "database", "outside"

FAULTS = (
    Fault("F1", "web killed", PROCESSES, processes.kill_web, weight=3),
    Fault("F2", "worker killed", PROCESSES, processes.kill_worker, weight=4),
    Fault("F3", "orchestrator or relay killed", PROCESSES, processes.kill_orchestrator_or_relay, weight=3),
    Fault("F4", "process stopped and continued", PROCESSES, processes.stop_and_continue, weight=2),
    Fault("F5", "broker killed", BROKER, broker.kill_and_restart),
    Fault("F6", "broker away", BROKER, broker.stop),
    Fault("F7", "database restarted immediately", DATABASE, database.crash_and_restart, weight=2),
    Fault("F7", "database link cut", DATABASE, database.cut, weight=2),
    Fault("F7", "database link silent", DATABASE, database.silence),
    Fault("F7", "database link half open", DATABASE, database.forget_clients),
    Fault("F8", "database connections exhausted", DATABASE, database.exhaust_connections),
    Fault("F9", "broker link silent", BROKER, broker.silence, weight=2),
    Fault("F9", "broker link cut", BROKER, broker.cut, weight=2),
    Fault("F9", "broker link half open", BROKER, broker.forget_clients, weight=2),
    Fault("F9", "broker link slow", BROKER, broker.slow_down),
    Fault("F10", "provider link silent, then cut", OUTSIDE, provider.hold_and_cut, weight=2),
    Fault("F10", "provider link silent, then let go", OUTSIDE, provider.hold_and_let_go, weight=2),
    Fault("F10", "provider link cut", OUTSIDE, provider.cut, weight=2),
    Fault("F10", "provider refuses connections", OUTSIDE, provider.refuse, weight=2),
    Fault("F12", "hostile notifications", OUTSIDE, clients.send_hostile_notifications, weight=2),
    Fault("F14", "clock wrong", PROCESSES, processes.skew_clock),
    Fault("F15", "queue full", BROKER, broker.fill_queue),
    Fault("F16", "disk alarm", BROKER, broker.disk_alarm),
    Fault("F17", "memory alarm", BROKER, broker.memory_alarm),
    Fault("F18", "poisonous messages", BROKER, broker.poison, weight=3),
    Fault("F19", "queue deleted", BROKER, broker.delete_queue, weight=2),
    Fault("F20", "messages taken and kept", BROKER, broker.take_and_keep, weight=2),
    Fault("F20", "releases of stock come late", BROKER, broker.keep_releases, weight=3),
    Fault("F22", "migration", DATABASE, database.migrate, weight=2),
    Fault("F23", "replies lost and invented", BROKER, broker.lose_replies, weight=3),
    Fault("F24", "WebSockets dropped", OUTSIDE, clients.drop_sockets, weight=3),
    Fault("F25", "slow clients", OUTSIDE, clients.connect_slowly),
    Fault("F31", "host cut off", BROKER, host.cut_off),
)
# The faults of a broker with several nodes. One at a time, like all faults of the broker.
FAULTS_OF_A_CLUSTER = (
    Fault("F26", "node killed", BROKER, cluster.kill_node, weight=3, early=True),
    Fault("F26", "two of three nodes killed", BROKER, cluster.kill_majority, early=True),
    Fault("F27", "node paused", BROKER, cluster.pause_node, weight=2, early=True),
    Fault("F27", "two of three nodes paused", BROKER, cluster.pause_majority, early=True),
    Fault("F28", "node cut off", BROKER, cluster.cut_off_node, weight=2, early=True),
    Fault("F29", "disk of a node full", BROKER, cluster.fill_disk, early=True),
    Fault("F32", "nodes replaced", BROKER, cluster.upgrade, early=True),
)
# The faults of a database with a standby.
FAULTS_OF_A_STANDBY = (Fault("F30", "standby promoted", DATABASE, standby.promote, weight=2),)
# Injected alone before all others, so that this fault causes any effect on shoppers.
ROLLING_RESTART = Fault("F21", "rolling restart", PROCESSES, processes.roll)
# The faults that the sandbox causes all the time, as set by `provider.misbehaviour`. The sandbox counts them
# by name.
BY_THE_SANDBOX = {
    "F10": tuple(provider.REPLY_FAULTS),
    "F11": ("duplicate", "replayed", "overtaken", "lost", "lost_once", "delay"),
    "F12": tuple(fault for fault in provider.UNDISPUTED_FAULTS if fault not in ("lost", "no_reference")),
    "F13": ("after_notification",),
}


def lanes(*, with_cluster: bool, with_standby: bool) -> dict[str, Sequence[Fault]]:
    """Return the faults by lane."""
    of_cluster = FAULTS_OF_A_CLUSTER if with_cluster else ()
    faults = (*FAULTS, *of_cluster, *(FAULTS_OF_A_STANDBY if with_standby else ()))
    names = dict.fromkeys(fault.lane for fault in faults)
    return {name: [fault for fault in faults if fault.lane == name] for name in names}

"""The services that take part in sagas, and the orchestrator. Each owns its tables and calls no other."""

from checkout.services import checkout, ledger, notifications, orders, payments, risk
from messaging.worker.service import Service

SERVICES: dict[str, Service] = {
    module.service.name: module.service
    for module in (checkout, payments, risk, orders, ledger, notifications)
}

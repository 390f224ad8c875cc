"""The services that take part in sagas, and the orchestrator. Each has its own tables and knows no other."""

from checkout.services import checkout, ledger, notifications, orders, payments, risk
from messaging.worker.service import Service

SERVICES: dict[str, Service] = {
    module.service.name: module.service
    for module in (checkout, payments, risk, orders, ledger, notifications)
}

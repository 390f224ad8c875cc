"""The participants of the sagas, and the orchestrator. Each owns its tables and knows no other."""

from checkout.messaging.service import Service
from checkout.services import checkout, ledger, notifications, orders, payments, risk

SERVICES: dict[str, Service] = {
    module.service.name: module.service
    for module in (checkout, payments, risk, orders, ledger, notifications)
}

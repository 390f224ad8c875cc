"""The merchant's back office, whose requests call the same operations as the admin."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from itertools import cycle
from typing import TypeVar

from django.core.management import CommandError, call_command
from django.db import DatabaseError, InterfaceError

from checkout.errors import OperationRejected
from checkout.management.commands.load_example import ADMIN
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.models import Merchant, ProviderAccount
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.faults.merchant.requester import Patience, Wish

T = TypeVar("T")

BY = "campaign"


class BackOffice:
    """Staff at the merchant's desk. They repeat a request when the database could not answer."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._row: Merchant | None = None

    async def create(self, wish: Wish) -> str | None:
        """Create a payment and return its reference."""

        def create() -> str:
            if self._row is None:
                self._row = Merchant.objects.get(code="example")
            return actions.create_payment(
                self._row,
                order_reference=wish.name,
                amount=wish.amount,
                lines=[{"sku": wish.sku, "quantity": 1}],
                description=f"Order {wish.name}"[:50],
                shopper_email="shopper@example.com",
                captures_automatically=not wish.is_manual,
                customer_reference=wish.customer,
            ).reference

        return await self._answer(create)

    async def ask(self, payment: str, kind: str, amount: Money | None, key: str) -> str | None:
        """Request a capture, refund or void. Return the operation's reference, or the name of the refusal."""

        def ask() -> str:
            try:
                match kind:
                    case "capture":
                        view = actions.request_capture(payment, amount=amount, idempotency_key=key, by=BY)
                    case "refund":
                        view = actions.request_refund(payment, amount=amount, idempotency_key=key, by=BY)
                    case _:
                        view = actions.request_void(payment, idempotency_key=key, by=BY)
            except OperationRejected as rejection:
                return type(rejection).__name__
            return view.reference

        return await self._answer(ask)

    async def state_of(self, payment: str) -> PaymentState | None:
        """Return the state of a payment."""
        view = await self._answer(lambda: actions.payment_view(payment))
        return None if view is None else view.state

    async def erase(self, payment: str) -> bool:
        """Erase the personal data of a payment. Return False if its processing has not ended."""

        def erase() -> bool:
            with contextlib.suppress(CommandError), open(os.devnull, "w") as nowhere:
                call_command("gateway", "erase", payment, by=ADMIN, reason="Asked for.", stdout=nowhere)
                return True
            return False

        return bool(await self._answer(erase))

    async def change_ways_of_capturing(self, seconds: float) -> None:
        """Switch the provider between capturing with the authorisation and not, in turn, until cancelled."""
        for way in cycle(("yes", "no")):
            with contextlib.suppress(DatabaseError, InterfaceError):
                await in_thread(_set_way_of_capturing, way)
            await asyncio.sleep(seconds)

    async def _answer(self, function: Callable[[], T]) -> T | None:
        return await self._patience.until_answered(
            lambda: in_thread(function), (DatabaseError, InterfaceError)
        )


def _set_way_of_capturing(way: str) -> None:
    account = ProviderAccount.objects.get(code="sandbox")
    account.options["captures_with_authorisation"] = way
    account.save(update_fields=["options"])

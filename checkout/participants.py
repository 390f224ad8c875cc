"""The participants of the gateway: the programs on the broker, each with its own user, and their rights.

Receivers check the senders of messages against this table, and RabbitMQ's permissions are made from it
(``manage.py broker_users``). ``docs/trust.md`` explains the consequences. Steps of your own
(``docs/own-steps.md``) add their commands and services to it.
"""

from dataclasses import replace
from functools import cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from checkout.conf import conf
from checkout.ledger.messages import PostEntries
from checkout.messages import Command
from checkout.orders.messages import CancelOrder, ConfirmOrder, ReleaseStock, ReserveStock
from checkout.own.packages import commands_of_own_steps, usable_services
from checkout.payments.checkout_messages import (
    ApplyProviderEvent,
    AwaitOperation,
    AwaitPayment,
    CallOff,
    CompleteChallenge,
    SubmitPayment,
)
from checkout.payments.messages import (
    AbandonPayment,
    ApplyNotification,
    AuthorisePayment,
    CapturePayment,
    CheckClaim,
    CompleteAuthentication,
    InquireOperation,
    InquirePayment,
    RefundPayment,
    ReviewAttempt,
    VoidPayment,
)
from checkout.receipts.messages import SendReceipt, SendRefundReceipt
from checkout.risk.messages import AssessRisk
from messaging.access.participants import Participant, Participants, service_of
from messaging.broker import user_of
from messaging.topology import Topology

# The first words of the types of events (``checkout/payments/events/types.py``).
EVENTS = frozenset({"payment", "capture", "void", "refund", "dispute"})


def _types(*commands: type[Command[Any]]) -> frozenset[str]:
    return frozenset(command.to for command in commands)


# The gateway's own table, without steps and services of your own.
_OURS = (
    Participant(
        "web",
        serves=False,
        has_channels=True,
        sends=_types(
            SubmitPayment,
            CompleteChallenge,
            CallOff,
            AwaitPayment,
            AwaitOperation,
            ApplyNotification,
        ),
    ),
    Participant(
        "checkout",
        replies="saga",
        pushes=True,
        sends=_types(
            AssessRisk,
            ReserveStock,
            ConfirmOrder,
            ReleaseStock,
            CancelOrder,
            AuthorisePayment,
            CompleteAuthentication,
            InquirePayment,
            AbandonPayment,
            CapturePayment,
            VoidPayment,
            RefundPayment,
            InquireOperation,
            CheckClaim,
            ReviewAttempt,
            PostEntries,
            SendReceipt,
            SendRefundReceipt,
        ),
    ),
    Participant("payments", sends=_types(ApplyProviderEvent)),
    Participant("risk"),
    Participant("orders"),
    Participant("ledger"),
    Participant("notifications"),
    Participant("webhooks", serves=False, listens=True),
    # Staff and timers write to the outbox, and the relay publishes their commands. All programs that change
    # a payment write its events there.
    Participant("relay", serves=False, relays=True, announces=EVENTS),
)


@cache
def participants() -> Participants:
    """Return the table with the commands of your own steps, the services that handle them, and your services.

    The first call reads the settings, which name your apps.
    """
    own = commands_of_own_steps()
    ours = [
        replace(each, sends=each.sends | _types(*own)) if each.name == "checkout" else each for each in _OURS
    ]
    asked = {service_of(command.to) for command in own}
    run = {module.service.name: module.service for _, module in usable_services()}
    yours = sorted((asked | run.keys()) - {each.name for each in ours})
    return Participants(
        [
            *ours,
            *(
                Participant(
                    name,
                    serves=name in asked or bool(run[name].commands),
                    listens=name in run and bool(run[name].events),
                )
                for name in yours
            ),
        ]
    )


def require_user(*names: str) -> None:
    """Check that the broker's address has the user of this process's participant.

    Raises ImproperlyConfigured. If all programs share one user, there is nothing to check.
    """
    if conf.is_single_broker_user:
        return
    user, topology = user_of(conf.broker_url), Topology(conf.prefix)
    if len(names) != 1:
        raise ImproperlyConfigured(
            f"{', '.join(names)} cannot share a process: each has a broker user of its own. {_ADVICE}"
        )
    if user != topology.user(names[0]):
        raise ImproperlyConfigured(
            f"BROKER_URL names the user {user!r}, and nobody would listen to {names[0]}, whose user is "
            f"{topology.user(names[0])!r}. {_ADVICE}"
        )


_ADVICE = (
    "manage.py broker_users makes the users with their permissions. For a try-out in which all programs "
    "share one user, set CHECKOUT_SINGLE_BROKER_USER=true."
)

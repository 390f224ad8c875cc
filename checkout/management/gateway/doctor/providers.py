"""Examine provider accounts: credentials, addresses, proof of notifications and, if permitted, an inquiry."""

import secrets
from collections.abc import Iterator

from checkout.conf import conf
from checkout.errors import ProviderError, ProviderMisconfigured
from checkout.management.gateway.output import Finding
from checkout.payments.models import Merchant, ProviderAccount
from checkout.payments.providers.base import Outcome
from checkout.payments.providers.proof import fault_of
from checkout.payments.providers.registry import account_errors, get_provider

AREA = "provider"


def findings(*, calls: bool) -> Iterator[Finding]:
    """Yield the findings about each account. A provider is queried only if ``calls`` is true."""
    accounts = list(ProviderAccount.objects.order_by("code"))
    if not accounts:
        yield Finding(
            AREA, "there is no account", "Add one in the back office, or run manage.py load_example."
        )
    without = Merchant.objects.filter(provider_accounts=None).order_by("code").values_list("code", flat=True)
    for code in without if accounts else ():
        text = f"the merchant {code} has no account, and its programs cannot create payments"
        yield Finding(AREA, text, "Add one in the back office.")
    for account in accounts:
        faults = list(_validate_account(account))
        yield from faults
        if not faults:
            yield Finding(AREA, f"{account.code}: credentials and addresses are as they should be")
            if calls:
                yield _asked(account)
    known = {account.code for account in accounts}
    for code in sorted(set(conf.provider_accounts) - known):
        if not conf.is_try_out:
            advice = "Remove it from CHECKOUT_PROVIDER_CREDENTIALS, or add the account in the back office."
            yield Finding(AREA, f"{code}: there are credentials, and no such account", advice)


def _validate_account(account: ProviderAccount) -> Iterator[Finding]:
    for field, fault in account_errors(account.provider, account.endpoint, account.options):
        yield Finding(AREA, f"{account.code}: {fault}", f"Change its {field} in the back office.")
    try:
        account.opened()
        fault = fault_of(account.code)
    except ProviderMisconfigured as error:
        yield Finding(AREA, f"{account.code}: {error}", "Add it to CHECKOUT_PROVIDER_CREDENTIALS.")
        return
    if fault:
        text = f"{account.code}: notifications cannot be proven: {fault}"
        yield Finding(AREA, text, "See docs/providers.md, and change CHECKOUT_PROVIDER_CREDENTIALS.")


def _asked(account: ProviderAccount) -> Finding:
    """Inquire about an order that does not exist, which changes nothing at the provider."""
    order_code = f"doctor-{secrets.token_hex(8)}"
    advice = "Compare address and credentials with those of the provider, and try from this machine."
    try:
        result = get_provider(account.opened()).inquire(order_code)
    except ProviderError as error:
        return Finding(AREA, f"{account.code}: it could not be asked: {error}", advice)
    if result.outcome == Outcome.NOT_ABLE and result.refusal is not None:
        return Finding(AREA, f"{account.code}: it may not ask: {result.refusal.description}", advice)
    if result.outcome == Outcome.NOT_FOUND:
        return Finding(AREA, f"{account.code}: it answered that it has no order {order_code}, as expected")
    words = result.event or result.outcome
    return Finding(AREA, f"{account.code}: its answer was not understood: {words}", advice)

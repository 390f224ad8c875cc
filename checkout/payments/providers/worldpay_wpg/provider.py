"""The Worldpay adapter: build, send, parse."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from time import time

from checkout.errors import ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.base import (
    Account,
    Acknowledgement,
    Authorisation,
    BrowserForm,
    CardEncryption,
    Challenge,
    ChallengeCompletion,
    Modification,
    Notification,
    ProviderResult,
    Verb,
)
from checkout.payments.providers.saved_cards import KeptToken
from checkout.payments.providers.transport import HttpReply, HttpRequest, Transport, shared_transport
from checkout.payments.providers.worldpay_wpg import amounts, browser, build, notifications, parse
from checkout.payments.providers.worldpay_wpg.account import WorldpayAccount
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage, read_message
from checkout.privacy.scrubbing import scrub_value
from checkout.privacy.xml_scrubbing import scrub_tree

# A cookie's name and value (RFC 6265, 4.1.1). In an old form, names that begin with $ are attributes.
_COOKIE = re.compile(r"\s*([!#%&'*+.^_`|~0-9A-Za-z-][!#$%&'*+.^_`|~0-9A-Za-z-]*)=([!-+\--:<-~]*)\s*(?:;|\Z)")
_REMOVES = re.compile(r";\s*max-age\s*=\s*(?:0|-)", re.IGNORECASE)
_MAX_AGE = re.compile(r";\s*max-age\s*=", re.IGNORECASE)
_EXPIRES = re.compile(r";\s*expires\s*=([^;]{1,60})", re.IGNORECASE)
MAX_SESSION_STATE = 2_000


class WorldpayWpg:
    """An adapter for Worldpay's XML Direct protocol and one account (options: see ``WorldpayAccount``).

    ``session_state`` has the cookies of the order's replies, as a ``Cookie`` header. The second message must
    reach the machine that answered the first; it fails if a cookie is stale or sent twice. Worldpay asks
    programs not to rely on its cookies' names (developer.worldpay.com/docs/wpg/reference/wpgbestpractice/).
    """

    def __init__(self, account: Account, transport: Transport | None = None) -> None:
        self.account = account
        self._worldpay = WorldpayAccount(account)
        self._transport = transport or shared_transport()

    def authorise(self, request: Authorisation) -> ProviderResult:
        message = build.authorisation(request, self._worldpay.setup)
        return self._exchange(Verb.AUTHORISE, request.order_code, message, key=request.idempotency_key)

    def complete_challenge(self, request: ChallengeCompletion) -> ProviderResult:
        message = build.completion(request, self._worldpay.setup)
        return self._exchange(
            Verb.COMPLETE_CHALLENGE,
            request.order_code,
            message,
            key=request.idempotency_key,
            session_state=request.session_state,
        )

    def capture(self, request: Modification) -> ProviderResult:
        return self._modify(Verb.CAPTURE, request, build.capture(request, self._worldpay.setup))

    def void(self, request: Modification) -> ProviderResult:
        # Worldpay's idempotency service does not cover cancels.
        message = build.cancel(request, self._worldpay.setup)
        return self._exchange(Verb.VOID, request.order_code, message, session_state=request.session_state)

    def refund(self, request: Modification) -> ProviderResult:
        return self._modify(Verb.REFUND, request, build.refund(request, self._worldpay.setup))

    def inquire(self, order_code: str) -> ProviderResult:
        return self._exchange(Verb.INQUIRE, order_code, build.inquiry(order_code, self._worldpay.setup))

    def require_sendable(self, amount: Money) -> None:
        amounts.attributes(amount, self._worldpay.exponents)

    @property
    def captures_with_authorisation(self) -> bool:
        return self._worldpay.captures_with_authorisation

    @property
    def refuses_failed_authentication(self) -> bool:
        return self._worldpay.refuses_failed_authentication

    def recognised_key(self, key: str) -> str:
        return self._worldpay.idempotency_headers(key).get("Idempotency-Key", "")

    @property
    def remembers_keys_for(self) -> timedelta:
        """The shortest time that Worldpay offers. Source: Worldpay, Idempotency, "Time to Live"."""
        return timedelta(days=1)

    @property
    def saves_cards(self) -> bool:
        return self._worldpay.saves_cards

    @property
    def deletes_tokens(self) -> bool:
        # This holds even if cards are no longer saved: those that were saved before can still be removed.
        return True

    def delete_token(self, kept: KeptToken) -> ProviderResult:
        reply = self._send(Verb.DELETE_TOKEN, build.token_deletion(kept, self._worldpay.setup), {})
        return parse.parse_token_deletion(reply.body, kept.token, merchant_code=self.account.merchant_code)

    @property
    def inquiries_at_once(self) -> int:
        return self._worldpay.inquiries_at_once

    @property
    def lists_orders(self) -> bool:
        return self._worldpay.lists_orders

    def orders(self, since: datetime, until: datetime) -> list[ProviderResult]:
        reply = self._send(Verb.LIST, build.listing(since, until, self._worldpay.setup), {})
        return parse.parse_listing(
            reply.body, self._worldpay.exponents, merchant_code=self.account.merchant_code
        )

    def card_encryption(self) -> CardEncryption:
        return self._worldpay.card_encryption

    def device_data_form(self) -> BrowserForm:
        return browser.device_data_form(self._worldpay.device_data_url, self._worldpay.signer)

    def challenge_form(self, challenge: Challenge, *, return_url: str, merchant_data: str) -> BrowserForm:
        return browser.challenge_form(
            self._worldpay.challenge_url,
            self._worldpay.signer,
            challenge,
            return_url=return_url,
            merchant_data=merchant_data,
        )

    def parse_notification(self, body: bytes) -> list[Notification]:
        return notifications.parse_notification(body, self._worldpay.exponents)

    def acknowledgement(self) -> Acknowledgement:
        return notifications.ACKNOWLEDGEMENT

    def scrub(self, transcript: bytes) -> str:
        with suppress(UnreadableMessage):
            if b"<" in transcript:
                return scrub_tree(read_message(transcript), self._worldpay.secrets)
        return scrub_value(transcript.decode(errors="replace"), self._worldpay.secrets)

    def _modify(self, verb: Verb, request: Modification, message: bytes) -> ProviderResult:
        return self._exchange(
            verb,
            request.order_code,
            message,
            key=request.idempotency_key,
            session_state=request.session_state,
        )

    def _exchange(
        self, verb: Verb, order_code: str, message: bytes, *, key: str = "", session_state: str = ""
    ) -> ProviderResult:
        headers = self._worldpay.idempotency_headers(key) if key else {}
        if session_state:
            headers["Cookie"] = session_state
        reply = self._send(verb, message, headers)
        result = parse.parse_reply(
            reply.body, verb, self._worldpay.exponents, merchant_code=self.account.merchant_code
        )
        if result.order_code not in {"", order_code}:
            raise ProviderReplyInvalid("Worldpay answered about another order.")
        return replace(
            result,
            order_code=order_code,
            # Any machine answers inquiries, without a cookie: the cookies in its answer would replace those
            # of the order.
            session_state="" if verb == Verb.INQUIRE else _cookies(session_state, reply.set_cookies),
            transcript=f"{self.scrub(message)}\n\n{self.scrub(reply.body)}",
        )

    def _send(self, verb: Verb, message: bytes, headers: Mapping[str, str]) -> HttpReply:
        headers = {"Content-Type": "text/xml", **headers}
        request = HttpRequest(self.account.endpoint, message, headers, self._worldpay.basic_credentials)
        reply = self._transport.send(verb, request)
        if reply.status != 200:
            raise ProviderReplyInvalid(f"Worldpay answered with HTTP {reply.status}.")
        return reply


def _cookies(before: str, set_cookies: Sequence[str]) -> str:
    """Return the newest cookie of each name, without attributes. If they are too long, drop the oldest."""
    cookies: dict[str, str] = {}
    for cookie in (*filter(None, before.split("; ")), *set_cookies):
        if (found := _COOKIE.match(cookie)) is None or len(found[0]) > MAX_SESSION_STATE:
            continue
        cookies.pop(found[1], None)
        if found[2] and not _is_removed(cookie):
            cookies[found[1]] = found[2]
    pairs = [f"{name}={value}" for name, value in cookies.items()]
    while len(kept := "; ".join(pairs)) > MAX_SESSION_STATE:
        del pairs[0]
    return kept


def _is_removed(cookie: str) -> bool:
    """Return True if the cookie is to be deleted now (RFC 6265, 5.3: Max-Age has priority over Expires)."""
    if _MAX_AGE.search(cookie):
        return _REMOVES.search(cookie) is not None
    expires = _EXPIRES.search(cookie)
    try:
        return expires is not None and parsedate_to_datetime(expires[1]).timestamp() <= time()
    except (ValueError, OverflowError):
        return False

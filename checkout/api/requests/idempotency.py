"""Idempotency keys: one action for each key, and the same answer to each repetition.

The protocol is that of draft-ietf-httpapi-idempotency-key-header-07.

The record of a key is inserted before the action, in the action's transaction, so that both are committed or
neither is. A second request that comes at the same time waits in the database until the first transaction has
ended. If the action is refused, the record is rolled back as well: only results are stored. A stored 202 is
replaced by the final answer as soon as that is known.

A difference from the draft: quotation marks around a key are optional, and are not part of the key.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import Fault, header_error, refusal
from checkout.api.models import IdempotencyRecord
from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.payments.timers.table_walk import delete_expired
from checkout.privacy.scrubbing import contains_card_number
from checkout.privacy.stored_secrets import open_secret, seal_secret
from messaging.compiled_queries import insert_unless_known, update
from messaging.outbox.clock import server_time_now

HEADER = "Idempotency-Key"
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--\[\]-~]+")  # visible ASCII without quotation marks, commas and backslashes
LONGEST = 255
_LIKE_A_CARD_NUMBER = (
    "The key contains digits that look like a card number. Put a letter between them, or send a UUID."
)
_REPLAYED = {"Idempotent-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request with an idempotency key. ``fields`` are hashes of the fields of its body."""

    merchant: str
    route: str
    key: str
    fields: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the action, which stays the same if the request is repeated."""
        return f"api:{sha256(f'{self.route} {self.key}'.encode()).hexdigest()[:40]}"


@dataclass(frozen=True, slots=True)
class Made:
    """The result of an action.

    ``subject`` is the id of the payment or operation that the answer describes.
    """

    answer: Answer
    subject: str = ""


def key_of(request: HttpRequest, merchant: str, body: Mapping[str, Any]) -> Keyed | None:
    """Return the key of a request; None if it has none. Raises a refusal for a malformed key."""
    headers = [value for name, value in request.scope["headers"] if name == b"idempotency-key"]  # type: ignore[attr-defined]
    if not headers:
        return None
    if len(headers) > 1:
        raise header_error(catalogue.KEY_NOT_READABLE, HEADER, "The request has this header more than once.")
    return Keyed(merchant, f"{request.method} {request.path_info}", _read(headers[0]), hashes_of(body))


def _read(header: bytes) -> str:
    text = header.decode("latin-1").strip()
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not 0 < len(key) <= LONGEST or not (quoted or _BARE.fullmatch(text)):
        raise header_error(catalogue.KEY_NOT_READABLE, HEADER)
    if contains_card_number(key):
        raise header_error(catalogue.KEY_NOT_READABLE, HEADER, _LIKE_A_CARD_NUMBER)
    return key


def hashes_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return a hash of each field, by its JSON pointer. Only ``_keyed_hashes`` of these hashes are stored."""
    found = {}
    for name, value in body.items():
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        if isinstance(value, dict) and value:
            found.update({f"{pointer}{inner}": hashed for inner, hashed in hashes_of(value).items()})
        else:
            text = json.dumps(value, sort_keys=True, ensure_ascii=True)
            found[pointer] = sha256(text.encode()).hexdigest()
    return found


def _keyed_hashes(keyed: Keyed, secret: str | None = None) -> dict[str, str]:
    """Return keyed hashes, which may be stored: without the secret key, no value can be found by guessing."""
    salt = f"checkout.api.idempotency {_owner(keyed)}"
    return {
        pointer: salted_hmac(salt, f"{pointer} {hashed}", secret, algorithm="sha256").hexdigest()[:32]
        for pointer, hashed in keyed.fields.items()
    }


def _owner(of: Keyed | IdempotencyRecord) -> str:
    return f"{of.merchant} {of.route} {of.key}"


def once(keyed: Keyed, act: Callable[[], Made], *, held_seconds: float = 0) -> tuple[IdempotencyRecord, bool]:
    """Carry out ``act`` unless its key is known. Return the record, and True if the key was known before.

    ``held_seconds`` is the time for which the request may then be held. If ``act`` raises, the error is
    passed on and nothing is stored. Raises a refusal if the key belongs to another request, or if the stored
    answer is unreadable.
    """
    record = IdempotencyRecord(
        merchant=keyed.merchant, route=keyed.route, key=keyed.key, fields=_keyed_hashes(keyed)
    )
    with transaction.atomic():
        if insert_unless_known(record):
            made = act()
            record.subject = made.subject
            if made.answer.status == HTTPStatus.ACCEPTED:
                record.held_until = timezone.now() + timedelta(seconds=held_seconds)
            _keep(record, made.answer)
            return record, False
    known = IdempotencyRecord.objects.get(merchant=keyed.merchant, route=keyed.route, key=keyed.key)
    _require_readable(known)
    # The hashes may have been made under an earlier secret key.
    if differing := min(
        (_differing(known, _keyed_hashes(keyed, each)) for each in conf.secret_keys), key=len
    ):
        faults = [
            Fault("This differs from the first request.", pointer=pointer) for pointer in differing[:20]
        ]
        raise refusal(catalogue.KEY_REUSED, faults=faults)
    return known, True


def _require_readable(known: IdempotencyRecord) -> None:
    """Raise a refusal if the answer was sealed under a secret key that is no longer configured.

    The hashes of the fields were made with that key, too, so a repetition would look like another request.
    """
    try:
        open_secret(known.body, _owner(known))
    except StoredSecretUnreadable:
        raise refusal(catalogue.ANSWER_LOST) from None


def _differing(known: IdempotencyRecord, hashes: Mapping[str, str]) -> list[str]:
    pointers = {*known.fields, *hashes}
    return sorted(each for each in pointers if known.fields.get(each) != hashes.get(each))


def answer_in(record: IdempotencyRecord, *, is_replay: bool) -> Answer:
    """Return the stored answer. Raises ``StoredSecretUnreadable`` if its secret key is not configured."""
    headers = {"Location": record.location} if record.location else {}
    if record.status == HTTPStatus.ACCEPTED:
        headers["Retry-After"] = "1"
    return Answer(
        record.status,
        open_secret(record.body, _owner(record)).encode(),
        {**headers, **(_REPLAYED if is_replay else {})},
    )


def require_ended(record: IdempotencyRecord) -> None:
    """Raise a refusal while the first request with the key is held."""
    if record.held_until is not None and record.held_until > timezone.now():
        raise refusal(
            catalogue.KEY_IN_USE,
            headers={"Retry-After": "1", "Location": record.location},
        )


def settle(record: IdempotencyRecord, answer: Answer | None) -> None:
    """End the hold of a request. Replace its stored 202 by ``answer``, the final answer, unless that is None.

    If another request with the key has already stored the final answer, ``record`` gets that answer.
    """
    waiting = IdempotencyRecord.objects.filter(pk=record.pk, status=HTTPStatus.ACCEPTED)
    changes: dict[str, Any] = {"held_until": None}
    if answer is not None:
        location = answer.headers.get("Location", "")
        changes |= {"status": answer.status, "body": _sealed(record, answer), "location": location}
    if not waiting.update(**changes):
        # If the row is missing, the payment was erased meanwhile. This request still gets its own answer.
        with suppress(IdempotencyRecord.DoesNotExist):
            record.refresh_from_db()
            return
    for name, value in changes.items():
        setattr(record, name, value)


def concluded(record: IdempotencyRecord, present: Answer, *, is_replay: bool) -> Answer:
    """End the hold of a request. Return the stored final answer, or ``present`` while there is none.

    A stored 202 is not returned, because it is as old as the request: the client may have received events
    about later states.
    """
    settle(record, None if present.status == HTTPStatus.ACCEPTED else present)
    if record.status != HTTPStatus.ACCEPTED:
        return answer_in(record, is_replay=is_replay)
    return replace(present, headers={**present.headers, **(_REPLAYED if is_replay else {})})


def _sealed(record: IdempotencyRecord, answer: Answer) -> str:
    """Return the answer's body, encrypted, because it has personal data of a shopper."""
    return seal_secret(answer.body.decode(), _owner(record))


def _keep(record: IdempotencyRecord, answer: Answer) -> None:
    record.status, record.body = answer.status, _sealed(record, answer)
    record.location = answer.headers.get("Location", "")
    update(record, "status", "body", "location", "subject", "held_until")


def delete_expired_answers() -> int:
    """Delete records older than ``conf.idempotency_retention``. Return their number."""
    long_ago = server_time_now() - conf.idempotency_retention
    rows = IdempotencyRecord.objects.using(DEFAULT_DB_ALIAS)
    return delete_expired(rows, Q(created_at__lt=long_ago), "created_at", long_ago)


def erase_answers(subjects: Collection[str]) -> int:
    """Delete the stored answers about these payments and operations. Return their number.

    A repeated request still does nothing twice, because an order has only one payment, and an operation its
    own idempotency key.
    """
    return IdempotencyRecord.objects.filter(subject__in=subjects).delete()[0]

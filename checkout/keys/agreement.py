"""The agreement of all processes on their keys, by fingerprints in the default database.

A process with another ``SECRET_KEY`` would refuse the signatures of the others, and a payments service with
other card keys would refuse every card. Such a process does not start. A process that knows the recorded key
may record a newer one. A process whose newest key is an earlier one does not change the record.

A try-out, whose keys are published, has no record.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.conf.card_keys import HOLDERS
from checkout.keys.models import KeyInUse


@dataclass(frozen=True, slots=True)
class Keys:
    """The fingerprints of a process's keys of one kind, the newest first."""

    setting: str
    fingerprints: Sequence[str]
    are_used: bool
    """True if the process signs or seals with the first one, and not only verifies or opens."""


def require_agreement(programs: Collection[str]) -> None:
    """Check that these programs know the newest keys, and record theirs. Raises ImproperlyConfigured.

    An unavailable database is skipped, because the process must start without it.
    """
    try:
        for keys in _keys_of(programs):
            with transaction.atomic():
                _record(keys)
    except (OperationalError, InterfaceError):
        return


def differences(programs: Collection[str]) -> list[str]:
    """Return a sentence for each kind of key whose recorded key these programs do not know."""
    in_use = {row.setting: row for row in KeyInUse.objects.all()}
    return [
        _difference(in_use[keys.setting])
        for keys in _keys_of(programs)
        if keys.setting in in_use and in_use[keys.setting].fingerprint not in keys.fingerprints
    ]


def replace_keys(programs: Collection[str]) -> list[str]:
    """Record the keys of these programs, and delete earlier records. Return the names of the settings."""
    replaced = list(_keys_of(programs))
    KeyInUse.objects.filter(setting__in=[keys.setting for keys in replaced]).delete()
    for keys in replaced:
        KeyInUse.objects.create(setting=keys.setting, fingerprint=keys.fingerprints[0])
    return [keys.setting for keys in replaced]


def _keys_of(programs: Collection[str]) -> Iterator[Keys]:
    if conf.is_try_out:
        return
    secrets = [key.encode() for key in conf.secret_keys]
    yield Keys("SECRET_KEY", [_fingerprint("SECRET_KEY", key) for key in secrets], are_used=True)
    if HOLDERS.intersection(programs):
        name = "CHECKOUT_CARD_KEYS"
        cards = [_fingerprint(name, key.secret) for key in conf.card_keys]
        yield Keys(name, cards, are_used="web" in programs)


def _fingerprint(setting: str, key: bytes) -> str:
    return hashlib.sha256(f"checkout.keys:{setting}:".encode() + key).hexdigest()[:16]


def _record(keys: Keys) -> None:
    newest = keys.fingerprints[0]
    row, is_new = KeyInUse.objects.select_for_update().get_or_create(
        setting=keys.setting, defaults={"fingerprint": newest}
    )
    if is_new:
        return
    if row.fingerprint not in keys.fingerprints:
        raise ImproperlyConfigured(_difference(row))
    if keys.are_used and newest not in (row.fingerprint, *row.earlier):
        row.fingerprint, row.since, row.earlier = newest, timezone.now(), [row.fingerprint, *row.earlier]
        row.save()


def _difference(row: KeyInUse) -> str:
    return (
        f"{row.setting} lacks the key that other processes use since {row.since:%Y-%m-%d %H:%M} UTC. Set it "
        "as they have it. To replace a key, see docs/operations.md, Keys and their rotation"
    )

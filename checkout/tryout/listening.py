"""Events of a merchant, read from the API and forwarded as signed webhooks to a local program.

All requests are outgoing, so this works behind a firewall. Only the gateway's API and a key are needed.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.auth import AuthBase

from checkout.webhooks.signing import Keys, headers

HOLD_SECONDS = 20
# The same time-out as that of the gateway's webhooks.
ANSWER_SECONDS = 15
PAUSE_SECONDS = 2.0
# An event may be committed after later ones, so the last minutes are read again (docs/api.md).
READ_AGAIN = timedelta(minutes=5)
PAGE = 100
JSON = "application/json"


class NotAllowed(Exception):
    """The gateway refuses the key or the request. The text is the reason."""


@dataclass(frozen=True, slots=True)
class Away:
    """The gateway did not answer, or asked for a pause of ``seconds``."""

    reason: str
    seconds: float


Event = Mapping[str, Any]


class Feed:
    """The merchant's events from now on, each once, the oldest first."""

    def __init__(self, url: str, key: str, types: Sequence[str] = ()) -> None:
        self._address = f"{url}/api/v1/events"
        self._types = {"types": ",".join(types)} if types else {}
        self._session = requests.Session()
        self._session.auth = _Bearer(key)
        # The times of events that were read lately, by event id.
        self._known: dict[str, datetime] = {}
        self._begun: datetime | None = None

    def __iter__(self) -> Iterator[Event | Away]:
        """Yield events without end, and an ``Away`` before each pause. Raises ``NotAllowed``."""
        while True:
            try:
                yield from self._news()
                continue
            except (requests.RequestException, ValueError) as error:
                away = Away(f"The gateway does not answer ({type(error).__name__}).", PAUSE_SECONDS)
            except _Pause as pause:
                away = pause.away
            yield away
            time.sleep(away.seconds)

    def _news(self) -> Iterator[Event]:
        if self._begun is None:
            # Earlier events are skipped. Their times are compared with the gateway's clock.
            answer = self._ask({"limit": "1"})
            self._begun = parsedate_to_datetime(answer.headers["Date"]) - timedelta(seconds=1)
            since = self._begun - READ_AGAIN
            self._known = {each["id"]: _time_of(each) for each in self._since(since)}
        latest = max([self._begun, *self._known.values()])
        query = {"limit": "1", "created_from": (latest + timedelta(microseconds=1)).isoformat()}
        self._ask(query, hold_seconds=HOLD_SECONDS)
        since = latest - READ_AGAIN
        for event in sorted(self._since(since), key=_order_of):
            if event["id"] not in self._known:
                self._known[event["id"]] = _time_of(event)
                yield event
        self._known = {id: at for id, at in self._known.items() if at >= since}

    def _since(self, since: datetime) -> list[Event]:
        found: list[Event] = []
        query = {"limit": f"{PAGE}", "created_from": since.isoformat()}
        while True:
            answer = self._ask(query)
            page = answer.json()
            version = answer.headers.get("Api-Version", "")
            found += [{**event, "api_version": version} for event in page["data"]]
            if not page["next_cursor"]:
                return found
            query["cursor"] = page["next_cursor"]

    def _ask(self, query: Mapping[str, str], *, hold_seconds: int = 0) -> requests.Response:
        prefer = {"Prefer": f"wait={hold_seconds}"} if hold_seconds else {}
        answer = self._session.get(
            self._address,
            params={**query, **self._types},
            headers=prefer,
            timeout=hold_seconds + ANSWER_SECONDS,
        )
        if answer.ok:
            return answer
        reason = _reason(answer)
        if answer.status_code < 500 and answer.status_code != 429:
            raise NotAllowed(reason)
        asked = answer.headers.get("Retry-After", "")
        raise _Pause(Away(reason, float(asked) if asked.isdigit() else PAUSE_SECONDS))


class Receiver:
    """A local program at ``url``, which gets the events as webhooks signed with ``keys``."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._url = url
        self._keys = keys
        self._session = requests.Session()
        self._session.trust_env = False

    def take(self, event: Event) -> str:
        """Send the event once. Return the status of the answer, or the error if there is none."""
        body = json.dumps(event).encode()
        signed = headers(event["id"], int(time.time()), body, [self._keys])
        try:
            answer = self._session.post(
                self._url,
                body,
                headers={**signed, "Content-Type": JSON},
                timeout=ANSWER_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return type(error).__name__
        return str(answer.status_code)


class _Bearer(AuthBase):
    """The API key, which takes precedence over a password for the gateway's host in ``.netrc``."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _Pause(Exception):
    def __init__(self, away: Away) -> None:
        super().__init__(away.reason)
        self.away = away


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.url} answered {answer.status_code}."


def _time_of(event: Event) -> datetime:
    return datetime.fromisoformat(event["created_at"]).astimezone(UTC)


def _order_of(event: Event) -> tuple[datetime, str, int]:
    return _time_of(event), event["payment"], event["sequence"]

"""The clock of one payment of a try-out, moved forward in the gateway and in the sandbox."""

import requests

from checkout.tryout.knobs import set_knobs

TIMEOUT_SECONDS = 20


class NotMoved(Exception):
    """The gateway has refused to move the clock. The text is the reason."""


def advance(url: str, sandbox_url: str, key: str, payment: str, seconds: int) -> str:
    """Move a payment's clock forward, and return the payment's state.

    Raises ``NotMoved``. Raises ``NotReachable`` or ``KnobsRefused`` if only the gateway's clock was moved.
    """
    try:
        with requests.Session() as session:
            # Without this, requests would send a password for this host in ~/.netrc in place of the key.
            session.trust_env = False
            answer = session.post(
                f"{url}/api/v1/payments/{payment}/advance-clock",
                json={"seconds": seconds},
                headers={"Authorization": f"Bearer {key}"},
                timeout=TIMEOUT_SECONDS,
            )
        told = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise NotMoved(f"{url} does not answer as a gateway does ({type(error).__name__}).") from error
    if not answer.ok:
        raise NotMoved(str(told.get("detail", answer.status_code)))
    set_knobs(sandbox_url, {"advance": {"order": payment, "seconds": seconds}})
    return str(told["state"])

"""Act as a person in a window of Firefox or WebKit, and print the texts that it shows, as JSON.

``python story.py ENGINE ADDRESS STORY [PAYMENT]``: the engine is ``webkit`` or the path of Firefox, and the
address that of a try-out's gateway. A story of staff is about a payment. SIGTERM closes the window, too.
"""

import json
import signal
import sys
from datetime import UTC, datetime

from windows import Firefox, WebKit, Window

# The sandbox's test cards; see docs/sandbox.md.
FRICTIONLESS = "4000000000002701"
CHALLENGED = "4000000000002503"
EXPIRY = f"12/{datetime.now(UTC).year % 100 + 2}"

RESULT = "//h1[starts-with(., 'Payment ')]"
FRAME = "//iframe[@name='challenge']"
PAY = "//button[starts-with(normalize-space(.), 'Pay ')]"


class Person:
    """A person at a window. ``seen`` lists the texts that the pages showed, in order."""

    def __init__(self, window: Window, address: str, reference: str) -> None:
        self._window = window
        self._address = address
        self.seen: list[str] = []
        self.reference = reference

    def pays(self) -> None:
        self._orders_and_pays(FRICTIONLESS)
        self._sees(RESULT)

    def comes_back_after_paying(self) -> None:
        self.pays()
        self._window.back()
        self._sees(RESULT)
        self._window.reload()
        self._sees(RESULT)

    def approves(self) -> None:
        self._orders_and_pays(CHALLENGED)
        self._window.click(_button("Approve"))
        self._sees(RESULT)

    def approves_in_a_frame(self) -> None:
        self._orders_and_pays(CHALLENGED)
        self._presses_in_the_frame("Approve")
        self._sees(RESULT)

    def cancels_in_a_frame(self) -> None:
        self._orders_and_pays(CHALLENGED)
        self._presses_in_the_frame("Cancel")
        self._sees(RESULT)

    def waits(self) -> None:
        """Wait on the status page, which goes on by itself."""
        self._orders_and_pays(FRICTIONLESS)
        self._sees("//h1[starts-with(., 'We are confirming')]")
        self._sees(RESULT)

    def mistypes(self) -> None:
        self._orders()
        self._window.type(_field("Card number"), "4000")
        self._window.click(PAY)
        for error in ("id='card-number-error'", "id='card-cvc-error'"):
            self._sees(f"//*[@{error}]")
        self.seen.append(self._window.focus())

    def refunds(self) -> None:
        """As staff, refund a part of a captured payment."""
        self._window.go(f"{self._address}/admin/payments/payment/?q={self.reference}")
        self._window.type(_field("Username"), "admin")
        self._window.type(_field("Password"), "checkout-admin")
        self._window.click("//*[@type='submit'][@value='Log in' or normalize-space(.)='Log in']")
        self._window.click("//a[normalize-space(.)='Refund']")
        self._window.type(_field("Amount"), "5.00")
        self._window.type(_field("Reason"), "One of two arrived broken")
        self._window.click(_button("Continue"))
        self._window.click(_button("Refund £5.00"))
        self._sees("//*[contains(@class, 'messagelist')]")

    def _orders(self) -> None:
        self._window.go(f"{self._address}/")
        self._window.click("//button[starts-with(@aria-label, 'Buy Darjeeling tea')]")
        self._window.text(PAY)
        self.reference = self._window.address().rstrip("/").rpartition("/")[2]

    def _orders_and_pays(self, number: str) -> None:
        self._orders()
        self._window.type(_field("Card number"), number)
        self._window.type(_field("Name on card"), "A. Shopper")
        self._window.type(_field("Expiry date"), EXPIRY)
        self._window.type(_field("Security code"), "123")
        self._window.click(PAY)

    def _presses_in_the_frame(self, choice: str) -> None:
        self._window.enter_frame(FRAME)
        self._window.click(_button(choice))
        self._window.leave_frame()

    def _sees(self, path: str) -> None:
        self.seen.append(self._window.text(path))


def _field(label: str) -> str:
    return f"//input[@id=//label[contains(normalize-space(.), '{label}')]/@for]"


def _button(text: str) -> str:
    return f"//button[normalize-space(.)='{text}'] | //input[@type='submit'][@value='{text}']"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended before its time"))
    engine, address, story, *references = sys.argv[1:]
    window = WebKit() if engine == "webkit" else Firefox(engine)
    try:
        person = Person(window, address, *(references or [""]))
        getattr(person, story)()
    finally:
        window.close()
    print(json.dumps({"reference": person.reference, "seen": person.seen}))


if __name__ == "__main__":
    main()

"""A shopper who follows the pages, and comes back when something fails."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from random import Random
from urllib.parse import urljoin

from checkout.money import Money
from checkout.states import PaymentState
from tests.faults import settings
from tests.faults.client import JSON, PAGE, Answer, Client, NoAnswer, TryAgain
from tests.faults.ear import Ear, listening
from tests.faults.forgery import forged
from tests.faults.habits import Habits
from tests.faults.pages import device_data_session, form_to, heading_of, saved_cards_on
from tests.faults.recorder import LateReturn, now

SKUS = ("TEA-100", "MUG-350", "FAN-210", "BAG-040")
PAUSE_SECONDS = 0.4
# The time that a shopper spends on an error page before opening the payment's page again.
READING_SECONDS = 2.0
POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 6.0
MAX_TRIES = 6
# The events that a forger sends. The pauses grow, so that the last events come a minute later, when the
# provider has captured even on a busy machine.
FORGED = ("AUTHORISED", "CANCELLED", "CAPTURED")
FORGERS_LOOKS = 40
FIRST_LOOK_SECONDS, LOOK_GROWTH = 0.3, 1.07
BLIND_FORGERY_EVERY = 6
BROWSER = {
    "browser_language": "en-GB",
    "browser_colour_depth": "24",
    "browser_screen_height": "1080",
    "browser_screen_width": "1920",
    "browser_time_zone": "0",
    "browser_javascript_enabled": "true",
}
OFFERS_TO_SAVE = 'name="save_card"'
# Texts on the result page that tell a shopper to try again with the same card.
NOT_THE_CARD = ("The card details did not reach", "could not be made just now")


class Stopped(Exception):
    """The campaign has ended. The payment's state is judged from the evidence."""


class Lost(Exception):
    """The shopper got a page that no shopper should see at this point."""


class Shopper:
    """One shopper. `sealed` maps holders' names to sealed cards. When `stop` is set, all waits end.

    `amount` is the payment's amount, if the shopper knows it. `entrance` is the path of the customer session
    by which the merchant leads a customer to the payment's page.
    """

    def __init__(
        self,
        client: Client,
        habits: Habits,
        sealed: Mapping[str, str],
        random: Random,
        stop: asyncio.Event,
        amount: Money | None = None,
        entrance: str = "",
    ) -> None:
        self.client = client
        self.habits = habits
        self.is_paid = False
        self._sealed = sealed
        self._random = random
        self._stop = stop
        self._amount = amount
        self._entrance = entrance
        self._cards = list(habits.cards)
        self._tries = 0
        self._last_form: tuple[str, dict[str, str]] | None = None
        self._has_walked_away = False

    @property
    def reference(self) -> str:
        return self.client.payment

    async def buy(self) -> None:
        """Go from the shop to the end of this purchase. Raises Stopped and Lost."""
        if not self.reference:
            await self._order()
        if self._entrance:
            await self._get(self._entrance)
        page = await self._own_page()
        if not self._cards:
            return
        while not self._has_walked_away:
            page = await self._follow(page)
            if "/result/" in page.path:
                if not self._tries_again(page):
                    break
                page = await self._get(self._path(""))
            elif page.status in (400, 404, 409, 410):
                await self._pause(READING_SECONDS)
                page = await self._own_page()
            elif "/challenge/" in page.path:
                page = await self._challenge(page)
            elif form := form_to("/pay/", page.text, page.url):
                page = await self._pay(page, form.action, form.fields)
            elif "/status/" in page.path:
                page = await self._wait_on_status_page(page)
            else:
                raise Lost(f"{page.url} {page.status} {heading_of(page.text)!r}")
        for _ in range(self.habits.reloads):
            await self._get(self._path(""))
        if self.habits.sends_again and self._last_form is not None:
            await self._follow(await self._post(*self._last_form))
        await self.look()

    async def look(self) -> dict[str, object]:
        """Fetch status.json and return its content."""
        answer = await self._get(self._path("status.json"), accept=JSON)
        said = answer.json()
        self.is_paid = bool(said["is_paid"])
        return said

    async def _order(self) -> None:
        while not self.reference:
            shop = await self._get("/")
            form = form_to("/", shop.text, shop.url)
            if form is None:
                raise Lost(f"{shop.url} {shop.status}: nothing to buy")
            fields = {
                "csrfmiddlewaretoken": form.fields["csrfmiddlewaretoken"],
                "email": "shopper@example.com",
            }
            answer = await self._post("/", {**fields, "sku": self._random.choice(SKUS)})
            if answer.status == 303:
                self.client.payment = answer.location.strip("/").rpartition("/")[2]

    async def _pay(self, page: Answer, action: str, fields: dict[str, str]) -> Answer:
        values = {**fields, **BROWSER, "browser_java_enabled": ""}
        if self.habits.has_device_data:
            values["device_data_reference"] = await self._device_data(page)
        card = self._cards.pop(0) if len(self._cards) > 1 else self._cards[0]
        offered = saved_cards_on(page.text) if self.habits.chooses_card else []
        if offered:
            values["saved_card"] = self._random.choice(offered)
            self.client.recorder.chosen.add(self.reference)
        else:
            values["encrypted_card"] = self._sealed[card]
        if self.habits.saves_card and not offered and OFFERS_TO_SAVE in page.text:
            values["save_card"] = "yes"
            self.client.recorder.ticked.add(self.reference)
        self._tries += 1
        self._last_form = (action, values)
        if self._tries == 1 and self.habits.leaves_after is not None:
            try:
                async with asyncio.timeout(self.habits.leaves_after):
                    await self.client.post(action, values)
            except (TimeoutError, NoAnswer, TryAgain):
                pass
            return await self._own_page()
        clicks = [self.client.post(action, values) for _ in range(self.habits.clicks)]
        if self.habits.cancels:
            clicks.append(self._cancel())
        if self.habits.forges and self._amount is not None:
            answer, _ = await asyncio.gather(self._first_answer(clicks), self._forge(self._amount))
            return answer
        return await self._first_answer(clicks)

    async def _forge(self, amount: Money) -> None:
        """Watch the payment's status. Forge a capture while one is pending, and other events now and then.

        At the end, forge notifications that the money was returned.
        """
        code = f"{self.reference}-{self._tries}"
        for number in range(FORGERS_LOOKS):
            with contextlib.suppress(NoAnswer, TryAgain):
                said = await self.client.get(self._path("status.json"), accept=JSON)
                if said.json().get("state") == PaymentState.CAPTURE_PENDING:
                    await self.client.notify("sandbox", forged(code, "CAPTURED", amount))
                elif number % BLIND_FORGERY_EVERY == 0:
                    await self.client.notify("sandbox", forged(code, self._random.choice(FORGED), amount))
            await self._pause(FIRST_LOOK_SECONDS * LOOK_GROWTH**number)
        for event in ("REFUNDED", "CHARGED_BACK"):
            with contextlib.suppress(NoAnswer, TryAgain):
                await self.client.notify("sandbox", forged(code, event, amount))

    async def _device_data(self, page: Answer) -> str:
        form = form_to("/ddc", page.text, page.url)
        if form is None:
            raise Lost(f"{page.url}: no device data form")
        try:
            answer = await self.client.post(form.action, {**form.fields, "Bin": "444433"})
        except (NoAnswer, TryAgain):
            return ""
        return device_data_session(answer.text)

    async def _challenge(self, page: Answer) -> Answer:
        """Go to the issuer and back, through every form on the way."""
        if not self.habits.choice:
            self._has_walked_away = True
            return page
        began = now()
        try:
            if self.habits.cancels and self.habits.is_away:
                return await self._cancel()
            for _ in range(6):
                form = form_to("", page.text, page.url)
                if form is None:
                    # The issuer's page is outdated. The payment's own page shows how to go on.
                    return await self._own_page()
                fields = dict(form.fields)
                if form.action.endswith("/decision/"):
                    await self._pause(self.habits.hesitates)
                    fields["choice"] = self.habits.choice
                if form.action.startswith(self.client.gateway):
                    if self.habits.is_late:
                        await self._let_time_run_out(began)
                    returns = [
                        self.client.post(form.action, fields, cross_site=True)
                        for _ in range(self.habits.returns)
                    ]
                    if self.habits.cancels:
                        returns.append(self._cancel())
                    return await self._first_answer(returns)
                page = await self.client.post(form.action, fields)
        except (NoAnswer, TryAgain):
            await self._pause()
        return await self._own_page()

    async def _cancel(self) -> Answer:
        """Cancel on our own page, as in another tab. If the page offers no cancellation, follow it."""
        page = await self.client.get(self._path("cancel/"))
        form = form_to("", page.text, page.url)
        if form is None:
            return page
        return await self.client.post(self._path("cancel/"), form.fields)

    async def _let_time_run_out(self, began: float) -> None:
        """Wait until the challenge has expired. Its time started before `began`."""
        until = now() + settings.CHALLENGE_SECONDS + self._random.uniform(0.1, 3)
        while now() < until:
            await self._pause(min(1, until - now()))
        self.client.recorder.late_returns.append(LateReturn(self.reference, began, now()))

    async def _first_answer(self, requests: Iterable[Awaitable[Answer]]) -> Answer:
        """Send repeated clicks concurrently. Return one of the answers, because a browser shows only one."""
        answers = await asyncio.gather(*requests, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, Answer):
                return answer
            if not isinstance(answer, NoAnswer | TryAgain):
                raise answer
        await self._pause()
        return await self._own_page()

    async def _wait_on_status_page(self, page: Answer) -> Answer:
        pause = POLL_SECONDS
        async with self._ear(page) as ear:
            while not (said := await self.look())["next"]:
                if ear is None:
                    await self._pause(pause)
                elif self._stop.is_set():
                    raise Stopped
                else:
                    await ear.wait_for_news(pause)
                pause = min(2 * pause, LONGEST_POLL_SECONDS)
        return await self._get(str(said["next"]))

    def _ear(self, page: Answer) -> AbstractAsyncContextManager[Ear | None]:
        if self.habits.listens:
            return listening(page.text, self.client.gateway, self.client.ears)
        return contextlib.nullcontext()

    async def _follow(self, page: Answer) -> Answer:
        while page.status in (301, 302, 303):
            page = await self._get(urljoin(page.url, page.location))
        return page

    async def _own_page(self) -> Answer:
        return await self._get(self._path(""))

    def _tries_again(self, page: Answer) -> bool:
        if self._tries >= MAX_TRIES or heading_of(page.text) != "Payment not made":
            return False
        return self._tries < len(self.habits.cards) or any(words in page.text for words in NOT_THE_CARD)

    async def _get(self, path: str, *, accept: str = PAGE) -> Answer:
        return await self._patiently(lambda: self.client.get(path, accept=accept))

    async def _post(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form until it is answered. Use this only for forms that may be sent twice without harm."""
        return await self._patiently(lambda: self.client.post(path, fields))

    async def _patiently(self, send: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                return await send()
            except (NoAnswer, TryAgain):
                await self._pause()

    async def _pause(self, seconds: float = PAUSE_SECONDS) -> None:
        if self._stop.is_set():
            raise Stopped
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds * self._random.uniform(0.5, 1.5))

    def _path(self, page: str) -> str:
        return f"/checkout/{self.reference}/{page}"

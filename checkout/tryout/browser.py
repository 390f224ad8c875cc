"""The features of a browser that payments depend on: redirects, cookies across sites, and the Origin header.

The rules are those of the Fetch standard and of RFC 6265bis. As in today's browsers, cookies without
``SameSite`` count as ``Lax``, and frames of another site get no cookies.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.cookiejar import Cookie
from urllib.parse import urljoin, urlsplit

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar

from checkout.tryout.documents import Document, Form, UnexpectedPage, read_document

TIMEOUT_SECONDS = 75
"""Longer than any time budget of a gateway."""
MAX_REDIRECTS = 10
USER_AGENT = "Mozilla/5.0 (compatible; scripted shopper)"
ACCEPT = "text/html,application/xhtml+xml,*/*;q=0.8"


class NotReachable(Exception):
    """An address does not answer in time."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One HTTP exchange. ``sent_cookies`` are the names of the cookies in the request."""

    at: datetime
    method: str
    url: str
    status: int
    duration: timedelta
    sent_cookies: tuple[str, ...] = ()
    set_cookies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The page on which a navigation ended."""

    url: str
    status: int
    text: str
    document: Document
    referrer_policy: str = ""
    is_in_frame: bool = False

    def form(self, *, to: str) -> Form:
        """Return the form whose action contains ``to``. Raises ``UnexpectedPage`` if there is none."""
        for form in self.document.forms:
            if to in form.action:
                return form
        raise UnexpectedPage(f"{self.url} answered {self.status} without a form that goes to …{to}.")


class Browser:
    """One browser window with its cookies. ``hops`` are the exchanges, in the order of their answers."""

    def __init__(self, on_hop: Callable[[Hop], None] = lambda hop: None) -> None:
        self.hops: list[Hop] = []
        self.cookies = RequestsCookieJar()
        self._on_hop = on_hop
        self._connections = requests.Session()
        # The gateway of a staging system may use a certificate of a private authority.
        self._connections.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True

    def open(self, url: str, *, accept: str = ACCEPT) -> Page:
        """Load an address that the shopper types in, or that a page of the same site loads."""
        return self._navigate("GET", url, {}, None, accept=accept)

    def submit(
        self,
        page: Page,
        form: Form,
        values: Mapping[str, str] | None = None,
        *,
        press: tuple[str, str] | None = None,
    ) -> Page:
        """Submit a form of ``page`` and follow redirects.

        The result is in the frame that the form names or is in.
        """
        fields = form.filled(values or {}, press=press)
        return self._navigate(form.method, form.action, fields, page, form.opens_frame(page.is_in_frame))

    def _navigate(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        initiator: Page | None,
        in_frame: bool = False,
        accept: str = ACCEPT,
    ) -> Page:
        for _ in range(MAX_REDIRECTS):
            response = self._exchange(method, url, fields, initiator, in_frame, accept)
            if not response.is_redirect:
                return Page(
                    url=url,
                    status=response.status_code,
                    text=response.text,
                    document=read_document(response.text, url),
                    referrer_policy=response.headers.get("Referrer-Policy", ""),
                    is_in_frame=in_frame,
                )
            if response.status_code not in (307, 308):
                method, fields = "GET", {}
            url = urljoin(url, response.headers["Location"])
        raise UnexpectedPage(f"{url}: more than {MAX_REDIRECTS} redirects.")

    def _exchange(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        initiator: Page | None,
        in_frame: bool,
        accept: str,
    ) -> requests.Response:
        is_cross_site = initiator is not None and site_of(initiator.url) != site_of(url)
        headers = {
            "User-Agent": USER_AGENT,
            "Accept": accept,
            "Accept-Language": "en-GB,en;q=0.9",
            "Sec-Fetch-Dest": "iframe" if in_frame else "document",
        }
        if method != "GET":
            headers["Origin"] = origin_header(initiator, url)
        request = requests.Request(
            method,
            url,
            headers=headers,
            cookies=self._cookies_for(method, is_cross_site, in_frame),
            **{"params" if method == "GET" else "data": fields},
        )
        at, started = datetime.now(UTC), time.perf_counter()
        try:
            prepared = request.prepare()
            # Without the proxies and credentials of the environment.
            response = self._connections.send(
                prepared, allow_redirects=False, timeout=TIMEOUT_SECONDS, proxies={}
            )
        except requests.RequestException as error:
            parts = urlsplit(url)
            address = f"{parts.scheme}://{parts.netloc}" if parts.netloc else url
            raise NotReachable(f"{address} does not answer ({type(error).__name__}).") from error
        duration = timedelta(seconds=time.perf_counter() - started)
        if not (is_cross_site and in_frame):
            extract_cookies_to_jar(self.cookies, prepared, response.raw)  # type: ignore[no-untyped-call]
        sent = tuple(
            pair.split("=")[0].strip() for pair in prepared.headers.get("Cookie", "").split(";") if pair
        )
        hop = Hop(at, method, url, response.status_code, duration, sent, tuple(response.cookies.keys()))
        self.hops.append(hop)
        self._on_hop(hop)
        return response

    def _cookies_for(self, method: str, is_cross_site: bool, in_frame: bool) -> RequestsCookieJar:
        jar = RequestsCookieJar()
        for cookie in self.cookies:
            if not is_cross_site or travels_across_sites(cookie, method, in_frame):
                jar.set_cookie(cookie)
        return jar


def travels_across_sites(cookie: Cookie, method: str, in_frame: bool) -> bool:
    """Return True if the browser sends a cookie with a request that a page of another site started."""
    same_site = cookie.get_nonstandard_attr("SameSite") or "Lax"
    if in_frame or same_site.lower() == "strict":
        return False
    return same_site.lower() == "none" or method == "GET"


def site_of(url: str) -> tuple[str, str]:
    """Return the site of an address: scheme and host, but not the port.

    Whole host names are compared, which is correct for names without a public suffix, such as ``localhost``.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or ""


def origin_header(initiator: Page | None, url: str) -> str:
    """Return the Origin header of a form post (Fetch standard, "append a request Origin header")."""
    if initiator is None or initiator.referrer_policy == "no-referrer":
        return "null"
    origin, target = ("{0.scheme}://{0.netloc}".format(urlsplit(address)) for address in (initiator.url, url))
    if initiator.referrer_policy == "same-origin" and origin != target:
        return "null"
    return origin

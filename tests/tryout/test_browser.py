"""The scripted browser's cookies, redirects and Origin header, against a real server."""

import pytest

from checkout.tryout.browser import Browser, Hop, NotReachable
from checkout.tryout.documents import UnexpectedPage
from scripts.services.process import free_port
from tests.tryout.two_sites import Answer, Site, two_sites


@pytest.fixture
def site():
    with two_sites() as site:
        yield site


def page_with_form(action: str, target: str = "") -> Answer:
    field = '<input type="hidden" name="a" value="1">'
    return Answer(f'<form method="post" action="{action}" target="{target}">{field}</form>')


def set_cookie(value: str) -> tuple[str, str]:
    return ("Set-Cookie", value)


def send_form(browser: Browser, url: str):
    page = browser.open(url)
    return browser.submit(page, page.document.forms[0])


def with_cookie(site: Site, attributes: str) -> Browser:
    site.answers["/login"] = Answer(headers=[set_cookie(f"session=1; Path=/{attributes}")])
    browser = Browser()
    browser.open(f"{site.ours}/login")
    site.requests.clear()
    return browser


@pytest.mark.parametrize("attributes", ["; SameSite=Lax", "", "; SameSite=Strict"])
def test_a_post_from_another_site_carries_no_cookie(site, attributes):
    browser = with_cookie(site, attributes)
    site.answers["/acs"] = page_with_form(f"{site.ours}/return")
    send_form(browser, f"{site.theirs}/acs")
    assert [method for method, *_rest in site.requests] == ["GET", "POST"]
    assert site.cookies_sent() == [None, None]


def test_the_same_post_within_the_site_carries_it(site):
    browser = with_cookie(site, "; SameSite=Lax")
    site.answers["/form"] = page_with_form("/return")
    send_form(browser, f"{site.ours}/form")
    assert site.cookies_sent() == ["session=1", "session=1"]


def test_a_cookie_for_all_sites_goes_along(site):
    browser = with_cookie(site, "; SameSite=None")
    site.answers["/acs"] = page_with_form(f"{site.ours}/return")
    send_form(browser, f"{site.theirs}/acs")
    assert site.cookies_sent() == [None, "session=1"]


@pytest.mark.parametrize(
    ("attributes", "sent"), [("; SameSite=Lax", "session=1"), ("; SameSite=Strict", None)]
)
def test_the_redirect_after_a_post_from_another_site_is_a_get_with_lax_cookies(site, attributes, sent):
    browser = with_cookie(site, attributes)
    site.answers["/acs"] = page_with_form(f"{site.ours}/return")
    site.answers["/return"] = Answer(status=303, headers=[("Location", "/result")])
    site.answers["/result"] = Answer("done")
    page = send_form(browser, f"{site.theirs}/acs")
    assert page.url == f"{site.ours}/result"
    assert [(method, path) for method, path, *_rest in site.requests[1:]] == [
        ("POST", "/return"),
        ("GET", "/result"),
    ]
    assert site.cookies_sent()[1:] == [None, sent]
    assert site.requests[-1][3] == ""


def test_a_307_repeats_the_post_with_its_body(site):
    site.answers["/form"] = page_with_form("/moved")
    site.answers["/moved"] = Answer(status=307, headers=[("Location", "/there")])
    site.answers["/there"] = Answer("done")
    send_form(Browser(), f"{site.ours}/form")
    assert [(method, path, body) for method, path, _headers, body in site.requests[1:]] == [
        ("POST", "/moved", "a=1"),
        ("POST", "/there", "a=1"),
    ]


def test_a_frame_of_another_site_neither_gets_nor_keeps_cookies(site):
    browser = with_cookie(site, "; SameSite=None")
    site.answers["/acs"] = page_with_form(f"{site.ours}/return", target="frame")
    site.answers["/return"] = Answer(headers=[set_cookie("other=2; Path=/")])
    send_form(browser, f"{site.theirs}/acs")
    assert site.cookies_sent()[-1] is None
    assert site.requests[-1][2]["Sec-Fetch-Dest"] == "iframe"
    assert browser.cookies.keys() == ["session"]


def test_a_frame_is_left_by_a_form_that_goes_to_the_top(site):
    browser = with_cookie(site, "")
    site.answers["/page"] = page_with_form(f"{site.theirs}/acs", target="frame")
    site.answers["/acs"] = page_with_form(f"{site.ours}/return")
    site.answers["/return"] = page_with_form("/result", target="_top")
    page = browser.open(f"{site.ours}/page")
    for _ in range(3):
        page = browser.submit(page, page.document.forms[0])
    destinations = [headers["Sec-Fetch-Dest"] for _method, _path, headers, _body in site.requests]
    assert destinations == ["document", "iframe", "iframe", "document"]
    assert site.cookies_sent() == ["session=1", None, None, "session=1"]


def test_a_cookie_that_is_taken_back_is_gone(site):
    browser = with_cookie(site, "")
    site.answers["/logout"] = Answer(headers=[set_cookie("session=; Max-Age=0; Path=/")])
    browser.open(f"{site.ours}/logout")
    browser.open(f"{site.ours}/login")
    assert site.cookies_sent() == ["session=1", None]


@pytest.mark.parametrize(
    ("policy", "target", "origin"),
    [
        ("", "ours", "ours"),
        ("", "theirs", "ours"),
        ("same-origin", "ours", "ours"),
        ("same-origin", "theirs", "null"),
        ("no-referrer", "ours", "null"),
    ],
)
def test_the_origin_header_follows_the_referrer_policy_of_the_page(site, policy, target, origin):
    answer = page_with_form(f"{getattr(site, target)}/to")
    answer.headers = [("Referrer-Policy", policy)] if policy else []
    site.answers["/form"] = answer
    send_form(Browser(), f"{site.ours}/form")
    assert site.requests[-1][2]["Origin"] == {"ours": site.ours, "null": "null"}[origin]


def test_every_exchange_is_a_hop_with_its_cookies_and_status(site):
    told: list[Hop] = []
    browser = Browser(told.append)
    site.answers["/"] = Answer(status=302, headers=[("Location", "/there"), set_cookie("a=1; Path=/")])
    browser.open(f"{site.ours}/")
    assert [(hop.method, hop.url, hop.status) for hop in browser.hops] == [
        ("GET", f"{site.ours}/", 302),
        ("GET", f"{site.ours}/there", 404),
    ]
    assert [(hop.set_cookies, hop.sent_cookies) for hop in browser.hops] == [(("a",), ()), ((), ("a",))]
    assert told == browser.hops


def test_redirects_that_never_end_are_given_up(site):
    site.answers["/"] = Answer(status=302, headers=[("Location", "/")])
    with pytest.raises(UnexpectedPage, match="redirects"):
        Browser().open(f"{site.ours}/")


def test_nobody_there_is_one_clear_error():
    port = free_port()
    with pytest.raises(NotReachable, match=f"http://localhost:{port} does not answer"):
        Browser().open(f"http://localhost:{port}/")


def test_an_address_that_is_none_is_one_too():
    with pytest.raises(NotReachable, match="gateway does not answer"):
        Browser().open("gateway")


def test_a_proxy_of_the_environment_is_not_asked(site, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    site.answers["/"] = Answer("here")
    assert Browser().open(f"{site.ours}/").text == "here"

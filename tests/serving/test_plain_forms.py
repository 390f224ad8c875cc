"""A multipart form is read only if each of its parts looks as browsers write it."""

import pytest

from payments_gateway.serving.security.plain_forms import MOST_PARTS, is_plain_form

TYPE = b"multipart/form-data; boundary=----WebKitFormBoundaryabc"
MARK = b"------WebKitFormBoundaryabc"


def part(headers, content=b"1"):
    return MARK + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n"


FIELD = part(b'Content-Disposition: form-data; name="reason"')
FILE = part(
    b'Content-Disposition: form-data; name="file"; filename="\xc3\xa9.pdf"\r\nContent-Type: application/pdf',
    b"%PDF-1.7 a*=utf-7''b charset=x %%EOF",
)
END = MARK + b"--\r\n"


def test_what_a_browser_sends_is_read():
    assert is_plain_form(TYPE, FIELD + FILE + END)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Disposition: form-data; name*=strange''x",
        b"Content-Disposition: form-data; name=\"a\"; filename*=strange''x",
        b'Content-Disposition: form-data; name="a"\r\nContent-Type: text/plain; charset=strange',
        b"Content-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; a*=strange''b",
        b'Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64',
        b'Content-Disposition: form-data; name="a\\"; b*=strange\'\'c; d=""',
        b"X-More: 1",
        b"",
    ],
)
def test_a_part_that_no_browser_writes_has_the_form_left_unread(headers):
    assert not is_plain_form(TYPE, FIELD + part(headers) + END)
    assert not is_plain_form(TYPE, part(headers) + FIELD + END)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (TYPE, b""),
        (TYPE, FIELD),
        (TYPE, b"before" + FIELD + END),
        (TYPE, FIELD + MARK),
        (TYPE, FIELD * (MOST_PARTS + 1) + END),
        (b"multipart/form-data", FIELD + END),
        (TYPE + b"; charset=utf-7", FIELD + END),
    ],
)
def test_a_form_that_is_not_whole_or_too_long_is_not_read(content_type, body):
    assert not is_plain_form(content_type, body)

"""The logo of a merchant: which files are accepted as one, and how it is sent."""

import struct
import zlib
from functools import partial

import pytest

from checkout.payments.logos import LARGEST_BYTES, MOST_PIXELS, NotALogo, name_of
from checkout.payments.models import Appearance, Logo
from messaging.concurrency.database import in_thread


def png(width=2, height=1, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" + b"\0" * 2)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width=4, height=3):
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8\xff\xe0\0\x04AB\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def test_a_name_has_the_digest_and_the_type_of_the_content():
    assert name_of(png()).endswith(".png")
    assert name_of(jpeg()).endswith(".jpg")
    assert name_of(png(2)) != name_of(png(3))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"GIF89a" + b"\0" * 100,
        b"<html>" + png(),
        png()[:-12],
        b"\x89PNG\r\n\x1a\n",
        jpeg()[:-2],
        b"\xff\xd8\xff\xd9",
        png(0),
        png(MOST_PIXELS + 1),
        jpeg(1, MOST_PIXELS + 1),
        png(extra=b"\0" * LARGEST_BYTES),
    ],
)
def test_another_file_or_a_larger_one_is_no_logo(content):
    with pytest.raises(NotALogo):
        name_of(content)


async def test_a_page_shows_the_logo_from_our_own_address_which_browsers_keep(shop, checkout):
    content = png()
    kept = await in_thread(partial(Logo.objects.create, name=name_of(content), content=content))
    await in_thread(partial(Appearance.objects.create, merchant=shop, logo=kept))
    page = await checkout.get()
    address = f"/logos/{kept.name}"
    assert f'src="{address}" alt=""' in page.text
    sent = await checkout.client.get(address)
    assert (sent.status, sent.headers["content-type"]) == (200, "image/png")
    assert sent.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in sent.headers["cache-control"]


async def test_an_unknown_logo_is_not_found(shop, client):
    assert (await client.get(f"/logos/{'0' * 64}.png")).status == 404

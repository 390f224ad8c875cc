"""Bodies that two programs could read differently are refused."""

from io import BytesIO

import pytest

from checkout.api.answers.refusal import Refusal
from checkout.api.requests.json_body import MOST_LEVELS, StrictJsonParser, read_object


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": "\\ud800"}',
        b'{"a": ["\\udfff"]}',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a": ' + 19 * b"9" + b"}",
        b'{"a": -' + 100_000 * b"9" + b"}",
        b'{"a": 1.' + 100_000 * b"9" + b"}",
        b'{"a": ' + 100_000 * b"[" + 100_000 * b"]" + b"}",
        b'{"a": ' + MOST_LEVELS * b"[" + MOST_LEVELS * b"]" + b"}",
        b'{"a": "' + 100_000 * b"\\" + b"}",
        b'{"a": "' + 100_000 * b'\\"' + b"}",  # read once, and not again from each quotation mark
        b"{" * 200_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_an_unclear_body_is_refused_and_nothing_else_happens(body):
    with pytest.raises(Refusal) as raised:
        StrictJsonParser().parse(BytesIO(body))
    assert raised.value.problem.code == "malformed_json"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a": "[[[[[[[[[[[[[[[[[[[["}', {"a": "[[[[[[[[[[[[[[[[[[[["}),
        (b'{"a": "\\"[{"}', {"a": '"[{'}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": 123456789012345678, "b": 1.5, "c": [true, null]}',
         {"a": 123456789012345678, "b": 1.5, "c": [True, None]}),
    ],
)  # fmt: skip
def test_any_other_object_is_read(body, expected):
    assert read_object(body) == expected

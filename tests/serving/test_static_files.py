"""Static files have the security headers of every other response."""

import pytest


@pytest.mark.parametrize(
    ("path", "status"), [("checkout/pay.js", 200), ("checkout/nothing.js", 404), ("", 404)]
)
async def test_a_static_file_or_its_lack_has_the_headers_of_all_responses(client, path, status):
    answer = await client.get(f"/static/{path}")
    assert answer.status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "same-origin"

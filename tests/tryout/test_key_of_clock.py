"""The key with which a program moves a payment's time, on a machine with other passwords for the host."""

from pathlib import Path

import pytest

from checkout.tryout.clock import NotMoved, advance
from tests.support.posts import Headers, answered


def test_the_key_is_sent_although_the_machine_has_another_password_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str | None] = []

    def refuse(_: bytes, headers: Headers) -> tuple[int, bytes]:
        keys.append(headers["Authorization"])
        return 404, b"{}"

    passwords = tmp_path / "netrc"
    passwords.write_text("machine 127.0.0.1 login ada password secret\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("NETRC", str(passwords))
    with answered(refuse) as url, pytest.raises(NotMoved, match="404"):
        advance(url, url, "sk_test_key", "pay_1", 1)
    assert keys == ["Bearer sk_test_key"]

"""The key with which a program moves a payment's time, on a machine that has passwords for the same host."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from checkout.tryout.clock import NotMoved, advance


def test_the_key_is_sent_although_the_machine_has_another_password_for_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            keys.append(self.headers["Authorization"])
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    passwords = tmp_path / "netrc"
    passwords.write_text("machine 127.0.0.1 login ada password secret\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("NETRC", str(passwords))
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with pytest.raises(NotMoved, match="404"):
            advance(url, url, "sk_test_key", "pay_1", 1)
        server.shutdown()
    assert keys == ["Bearer sk_test_key"]

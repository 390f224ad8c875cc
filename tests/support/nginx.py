"""nginx with the repository's own site file, in which only names, ports and paths are replaced."""

import os
import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scripts.services.process import free_port
from tests.support import environment
from tests.support.certificates import Certificate
from tests.support.program import ROOT, Program
from tests.support.waiting import wait_until

SITE = ROOT / "deployment" / "nginx" / "payments-gateway.conf"
# The settings that docs/deployment.md tells operators to put into nginx.conf, and paths in the test's folder.
MAIN = """
{user}
worker_processes 2;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log;
events {{ worker_connections 16384; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    access_log off;
    include {folder}/site.conf;
    # The provider, which has TLS of its own.
    server {{
        {provider_listens}
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{ proxy_pass {sandbox}; }}
    }}
}}
"""


class Nginx:
    """An nginx that terminates TLS for the gateway at ``url`` and for the sandbox at ``provider_url``.

    ``replacements`` are further changes to the site: a mapping of regular expressions to replacements. The
    provider also listens at ``provider_address``.
    """

    def __init__(
        self,
        folder: Path,
        certificate: Certificate,
        *,
        webs: Sequence[str],
        sandbox: str,
        replacements: Mapping[str, str] | None = None,
        provider_address: str = "127.0.0.1",
    ) -> None:
        folder.mkdir()
        self.folder = folder
        self.certificate = certificate
        self.port, self.plain_port, provider_port = free_port(), free_port(), free_port()
        self.url = f"https://localhost:{self.port}"
        self.provider_url = f"https://localhost:{provider_port}"
        self._sandbox = sandbox
        self._provider_port = provider_port
        self._provider_address = provider_address
        (folder / "site.conf").write_text(self._site(webs, replacements or {}))
        self.program = Program(
            "nginx",
            [environment.nginx_path(), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"],
            log=folder / "nginx.log",
            environment=os.environ,
        )

    def start(self, *, files: int = 20_000) -> None:
        main = MAIN.format(
            # Root's workers must stay root: another user could not enter the test's folder.
            user="user root;" if os.geteuid() == 0 else "",
            folder=self.folder,
            files=files,
            certificate=self.certificate.certificate,
            key=self.certificate.key,
            provider_listens="".join(
                f"listen {address}:{self._provider_port} ssl;"
                for address in sorted({"127.0.0.1", self._provider_address})
            ),
            sandbox=self._sandbox,
        )
        (self.folder / "nginx.conf").write_text(main)
        self.program.start()
        try:
            wait_until(self._listens, "nginx", seconds=20)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.program.text()}") from None

    def stop(self) -> None:
        self.program.terminate()

    @property
    def access_log(self) -> str:
        return (self.folder / "access.log").read_text()

    def _listens(self) -> bool:
        assert self.program.is_alive, self.program.text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def _site(self, webs: Sequence[str], replacements: Mapping[str, str]) -> str:
        site = SITE.read_text()
        first, others = (
            webs[0],
            "".join(f"    server {web} max_fails=0;\n" for web in webs[1:]),
        )
        for pattern, replacement in {
            # IPv6 may be off on the machine that runs the tests.
            r"^ *listen \[::\].*\n": "",
            r"listen 443\b": f"listen 127.0.0.1:{self.port}",
            r"listen 80\b": f"listen 127.0.0.1:{self.plain_port}",
            r"\bpay\.example\b": "localhost",
            r"https://localhost\$": f"https://localhost:{self.port}$",
            r"^ *server 127\.0\.0\.1:8001 max_fails=0;\n": others,
            r"server 127\.0\.0\.1:8000\b": f"server {first}",
            r"/etc/ssl/payments-gateway/fullchain\.pem": str(self.certificate.certificate),
            r"/etc/ssl/payments-gateway/privkey\.pem": str(self.certificate.key),
            r"/var/log/nginx/payments-gateway\.log": f"{self.folder}/access.log",
            r"/var/log/nginx/payments-gateway\.error\.log": f"{self.folder}/error.log",
            **replacements,
        }.items():
            site, count = re.subn(pattern, replacement, site, flags=re.MULTILINE)
            assert count, f"{pattern} is not in {SITE}"
        return site

"""docs/deployment.md, followed on a machine with systemd, ends in a gateway that takes payments.

Only values that the page leaves to its reader are filled in: passwords, names and certificates.
"""

import base64
import json
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import CODE, PACKAGES, Machine, machine
from tests.support.pages import block_of, section_of, text_of

pytestmark = [pytest.mark.nginx, pytest.mark.long, pytest.mark.timeout(600)]

PAGE = text_of("docs/deployment.md") + text_of("docs/operations.md")
SETTINGS = Path("/etc/payments-gateway")
# The first commands of two blocks.
NEXT_RELEASE, RELEASE_BEFORE = (f"git -C /srv/payments-gateway {verb}" for verb in ("fetch", "checkout"))
PASSWORD = secrets.token_hex(16)
PROVIDER = {
    "user": "SANDBOXMERCHANT",
    "password": secrets.token_hex(16),
    "mac_key": secrets.token_hex(16),
    "issuer": "sandbox-issuer",
    "organisational_unit": "sandbox-unit",
    "notification_secret": secrets.token_hex(16),
}


def block(section: str, opening: str) -> str:
    """Return the block in this section of the page that begins with this text."""
    return block_of(section_of(PAGE, section), opening=opening)


def install(machine: Machine) -> None:
    """Follow the section "Installation" down to the processes."""
    _install_packages(machine)
    machine.run(
        block("Installation", "runuser -u postgres -- createuser"),
        [("Enter password for new role: ", PASSWORD), ("Enter it again: ", PASSWORD)],
    )
    machine.run(f"cd /srv/payments-gateway; {block('Installation', 'install --mode=640')}")
    _write_environment(machine)
    _certify(machine)
    _start_provider(machine)
    machine.run(
        block("Installation", "manage()"),
        [
            ("Username", "ada"),
            ("Email address: ", ""),
            ("Password: ", PASSWORD),
            ("Password (again): ", PASSWORD),
        ],
    )
    machine.run(f"cd /srv/payments-gateway; {block('Installation', 'cp deployment/systemd/')}")
    _start_site(machine)
    _wait_until_ready(machine)


def _install_packages(machine: Machine) -> None:
    """Follow the first block. All packages are here already, so nothing is fetched."""
    packages, user, clone, environment, requirements = block("Installation", "apt install").splitlines()
    machine.run(packages.replace("apt", "apt-get --simulate", 1))
    machine.run("systemctl start postgresql rabbitmq-server nginx")
    machine.run(user)
    machine.run(clone.replace("<your copy of this repository>", str(CODE)))
    machine.run(f"ln -s {Path(sys.executable).resolve()} /usr/local/bin/python3; {environment}")
    packages_of = f"python{sys.version_info.major}.{sys.version_info.minor}/site-packages/packages.pth"
    machine.run(f"echo {PACKAGES} > /srv/payments-gateway/.venv/lib/{packages_of}")
    machine.run(requirements)


def _write_environment(machine: Machine) -> None:
    """Write the environment files as the page says, with the provider from the section on staging."""
    shared = block("Installation", "DEBUG=false").replace(
        "DATABASE_URL=postgres://payments:…@", f"DATABASE_URL=postgres://payments:{PASSWORD}@"
    )
    shared = shared.replace("SECRET_KEY=…", f"SECRET_KEY={secrets.token_urlsafe(48)}")
    shared = re.sub("^CHECKOUT_PROVIDER_HOSTS=.*\n", "", shared, flags=re.MULTILINE)
    [folder] = re.findall(rf"`(mkdir [^`]*{SETTINGS})`", PAGE)
    machine.run(folder)
    sandbox, gateway = block("Staging, with the sandbox", "# The sandbox").split("\n\n")
    _write(machine, "environment", filled(shared + gateway))
    _write(machine, "sandbox.environment", filled(sandbox))
    passwords = json.loads(machine.run("cat /root/broker-passwords.json"))
    card_keys = f"CHECKOUT_CARD_KEYS={base64.b64encode(secrets.token_bytes(32)).decode()}\n"
    credentials = f"CHECKOUT_PROVIDER_CREDENTIALS='{json.dumps({'sandbox': PROVIDER})}'\n"
    for user, password in passwords.items():
        name = user.removeprefix("checkout.")
        own = f"BROKER_URL=amqp://{user}:{password}@127.0.0.1/payments\n"
        own += card_keys if name in ("web", "payments") else ""
        own += credentials if name in ("web", "payments", "relay") else ""
        _write(machine, f"{name}.environment", own)
    assert "…" not in machine.run(f"cat {SETTINGS}/*.environment {SETTINGS}/environment")


def filled(settings: str) -> str:
    """Return these settings with values for those that the page leaves open."""
    for name, value in (
        ("SANDBOX_PASSWORD", PROVIDER["password"]),
        ("SANDBOX_MAC_KEY", PROVIDER["mac_key"]),
        ("CHECKOUT_ADMIN_PASSWORD", PASSWORD),
    ):
        settings = settings.replace(f"{name}=…", f"{name}={value}")
    return settings.replace("<notification_secret>", PROVIDER["notification_secret"])


def _write(machine: Machine, name: str, text: str) -> None:
    machine.run(f"cat > {SETTINGS / name} <<'END'\n{text}\nEND")


def _certify(machine: Machine) -> None:
    """Make the certificate that the site expects, valid for the sandbox as well."""
    machine.run(
        "mkdir -p /etc/ssl/payments-gateway /etc/ssl/staging; cd /etc/ssl/payments-gateway;"
        " openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=pay.example"
        " -addext subjectAltName=DNS:pay.example,DNS:localhost -addext keyUsage=digitalSignature,keyCertSign"
        " -keyout privkey.pem -out fullchain.pem; cp fullchain.pem /etc/ssl/staging/ca.pem"
    )


def _start_provider(machine: Machine) -> None:
    """Start the sandbox with TLS in front, as the section on staging describes it."""
    machine.run(
        "systemd-run --quiet --unit=sandbox --uid=payments-gateway --working-directory=/srv/payments-gateway"
        f" -p EnvironmentFile={SETTINGS}/sandbox.environment"
        " /srv/payments-gateway/.venv/bin/python manage.py run_sandbox"
    )
    site = block("Staging, with the sandbox", "server {")
    machine.run(f"cat > /etc/nginx/conf.d/sandbox.conf <<'END'\n{site}\nEND")


def _start_site(machine: Machine) -> None:
    """Follow the paragraph on nginx."""
    machine.run(f"cd /srv/payments-gateway; {block('Installation', 'cp deployment/nginx/')}")
    limits = block("Installation", "worker_rlimit_nofile")
    machine.run(
        "sed -i -e '/^events/,/^}/d' /etc/nginx/nginx.conf;"
        f" cat >> /etc/nginx/nginx.conf <<'END'\n{limits}\nEND"
    )
    [command] = re.findall(r"Then run `(nginx -t .*?)`", PAGE)
    machine.run(command)


def _wait_until_ready(machine: Machine) -> None:
    """Wait, as for a new release, until the web processes accept work. Until then nginx answers 503."""
    [until_ready] = re.findall("until curl .*", block("A new release", NEXT_RELEASE))
    for port in (8000, 8001):
        machine.run(f"port={port}; {until_ready}")


@pytest.fixture(scope="module")
def installed() -> Iterator[Machine]:
    with machine() as made:
        install(made)
        yield made


@pytest.fixture(scope="module")
def key(installed: Machine) -> str:
    """The API key that the example's merchant gets."""
    [key] = re.findall(r"\bsk_test_\w+", manage(installed, "load_example"))
    return str(key)


def test_everything_runs_and_the_doctor_finds_nothing_but_the_sandbox(installed: Machine, key: str):
    # Commands of `manage` that found a fault, in other tests, have failed.
    failed = installed.run("systemctl list-units --failed --plain --no-legend").splitlines()
    assert [unit for unit in failed if not unit.startswith("run-")] == []
    assert len(running(installed)) == 10
    found = re.findall("^WRONG +(.*)$", manage(installed, "gateway doctor || true"), re.MULTILINE)
    assert [each.split()[:2] for each in found] == [["settings", "checkout.W020:"]]


def test_a_program_can_read_the_output_of_manage(installed: Machine):
    """In a pipe or a timer there is no terminal, and the lines end without a carriage return."""
    assert r"\r" not in manage(installed, "version < /dev/null | od --format=c")


def test_staff_log_in_with_the_password_that_was_typed(installed: Machine):
    log_in = (
        "curl -fsS --cacert /etc/ssl/staging/ca.pem --cookie-jar jar --cookie jar --output page"
        " -H 'Referer: https://pay.example/admin/login/' https://pay.example/admin/login/"
    )
    typed = f"--data-urlencode username=ada --data-urlencode password={PASSWORD} --data next=/admin/"
    answer = installed.run(
        f"cd /tmp; {log_in}; token=$(grep -o 'csrfmiddlewaretoken\" value=\"[^\"]*' page | cut -d '\"' -f 3);"
        f" {log_in} --data csrfmiddlewaretoken=$token {typed} --write-out '%{{http_code}} %{{redirect_url}}'"
    )
    assert answer == "302 https://pay.example/admin/"


def test_a_shopper_pays_as_in_the_section_on_staging(installed: Machine, key: str):
    buy(installed, key)


def test_a_release_is_installed_while_the_gateway_goes_on(installed: Machine, key: str):
    before = running(installed)
    installed.run(f"git -C {CODE} -c user.name=a -c user.email=a commit --quiet --allow-empty -m next")
    release = installed.run(f"git -C {CODE} rev-parse HEAD").strip()
    assert_installed(installed, release, block("A new release", NEXT_RELEASE), instead_of=before)
    buy(installed, key)


def test_the_release_before_is_installed_again(installed: Machine, key: str):
    before = running(installed)
    release = installed.run("git -C /srv/payments-gateway rev-list --max-parents=0 HEAD").strip()
    assert_installed(installed, release, block("A new release", RELEASE_BEFORE), instead_of=before)
    buy(installed, key)


def test_the_database_gets_a_new_password_while_the_gateway_goes_on(installed: Machine, key: str):
    new = secrets.token_hex(16)
    installed.run(
        block("Keys and their rotation", "runuser -u postgres -- createuser"),
        [("Enter password for new role: ", new), ("Enter it again: ", new)],
    )
    installed.run(f"sed -i s/payments:{PASSWORD}@/payments_2:{new}@/ {SETTINGS}/environment")
    before = running(installed)
    release = installed.run("git -C /srv/payments-gateway rev-parse HEAD").strip()
    assert_installed(installed, release, block("A new release", RELEASE_BEFORE), instead_of=before)
    end = 'runuser -u postgres -- psql -c "ALTER ROLE payments NOLOGIN"'
    installed.run(block("Keys and their rotation", end))
    sessions = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = 'payments'"
    assert installed.run(f'runuser -u postgres -- psql -Atc "{sessions}"').split() == ["payments_2"]
    assert "all migrations are applied" in manage(installed, "gateway doctor || true")
    buy(installed, key)


def test_the_firewall_counts_the_connections_of_an_address(installed: Machine):
    rules = block("What the site does", "table inet")
    installed.run(
        f"cat >> /etc/nftables.conf <<'END'\n{rules}\nEND\n"
        "systemctl enable nftables; systemctl restart nftables"
    )
    installed.run("systemctl restart nginx")  # no client is connected any more
    connect = "exec {fd}<>/dev/tcp/127.0.0.1/443 && echo connected || echo refused"
    answers = installed.run(f"for number in {{1..203}}; do {connect}; done 2>/dev/null").splitlines()
    assert answers == ["connected"] * 200 + ["refused"] * 3


def assert_installed(installed: Machine, release: str, steps: str, *, instead_of: dict[str, str]) -> None:
    """Follow the steps of the page with this release, and check that each process is a new one."""
    with_manage, _, _ = block("Installation", "manage()").partition("manage migrate")
    installed.run(with_manage + re.sub("<release.*>", release, steps))
    assert installed.run("git -C /srv/payments-gateway rev-parse HEAD").strip() == release
    after = running(installed)
    assert after.keys() == instead_of.keys()
    assert not {*after.values()} & {*instead_of.values()}


def running(installed: Machine) -> dict[str, str]:
    """Return the gateway's processes: unit → process id."""
    shown = installed.run("systemctl show --property=Id,MainPID,ActiveState 'payments-gateway*.service'")
    units = (dict(line.split("=", 1) for line in unit.splitlines()) for unit in shown.strip().split("\n\n"))
    return {unit["Id"]: unit["MainPID"] for unit in units if unit["ActiveState"] == "active"}


def manage(installed: Machine, words: str) -> str:
    """Run a command of `manage.py` with the function of the page."""
    function, _, _ = block("Installation", "manage()").partition("manage migrate")
    return installed.run(f"{function}manage {words}")


def buy(installed: Machine, key: str) -> None:
    """Follow the end of the section on staging, with another order number each time."""
    steps = block("Staging, with the sandbox", "KEY=").replace("sk_test_…", key)
    steps = steps.replace("order-1", f"order-{secrets.token_hex(4)}")
    printed = installed.run(f"cd /srv/payments-gateway; {steps}")
    assert "End: captured (as expected)" in printed

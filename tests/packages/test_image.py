"""The image of deployment/container, built from Debian's packages and started without any rights.

Nothing is fetched from a registry of images: the base is made here. The programs run in a mount namespace, on
a read-only root file system, as the user of the image.
"""

import json
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import requests

from checkout.version import VERSION
from scripts.services.process import free_port
from tests.support.environment import missing
from tests.support.program import ROOT, Program
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

# Buildah does not start without it, although no container here has a network of its own.
NETAVARK = Path("/usr/lib/podman/netavark")
CODE = "/srv/payments-gateway"
# `buildah run` asks for higher limits than this machine may have.
LIMITS = "[containers]\ndefault_ulimits = [{}]\n"
# The files by which this machine reaches its packages.
OF_THIS_MACHINE = ("/etc/ssl/certs", "/etc/pip.conf")
START = f"""
set -eu
touch "$1/etc/hosts"
mount --bind "$1" "$1"
mount --bind /etc/hosts "$1/etc/hosts"
mount -o remount,bind,ro "$1"
for folder in tmp {CODE[1:]}/.local; do mount -t tmpfs -o mode=1777 tmpfs "$1/$folder"; done
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1; shift
exec /usr/sbin/chroot "$root" setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \\
    --bounding-set=-all sh -c 'cd {CODE}; exec "$@"' sh "$@"
"""


class Buildah:
    """Buildah with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        limits = (
            f'"{name}={":".join(map(str, resource.getrlimit(number)))}"'
            for name, number in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC))
        )
        (folder / "containers.conf").write_text(LIMITS.format(", ".join(limits)))

    def __call__(self, *arguments: str | Path) -> str:
        program = shutil.which("buildah")
        if program is None or not NETAVARK.exists():
            missing("buildah: install Debian's packages buildah and netavark")
        storage = (
            "--storage-driver",
            "vfs",
            "--root",
            self._folder / "root",
            "--runroot",
            self._folder / "run",
        )
        ended = subprocess.run(
            [program, *storage, *arguments],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": str(self._folder),
                "CONTAINERS_CONF": str(self._folder / "containers.conf"),
                "BUILDAH_ISOLATION": "chroot",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
        return ended.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    """Return a Buildah that has the image."""
    folder = tmp_path_factory.mktemp("images")
    buildah = Buildah(folder)
    debootstrap = shutil.which("mmdebstrap") or missing("mmdebstrap: install Debian's package mmdebstrap")
    base = folder / "base.tar"
    subprocess.run(
        [debootstrap, "--quiet", "--variant=minbase", "--include=ca-certificates", "trixie", base], check=True
    )
    container = buildah("from", "scratch")
    buildah("add", container, base, "/")
    buildah("commit", "--rm", container, "localhost/base")
    volumes = [f"--volume={path}:{path}:ro" for path in OF_THIS_MACHINE if Path(path).exists()]
    buildah(
        "build",
        "--format=docker",
        "--build-arg=BASE=localhost/base",
        *volumes,
        f"--file={ROOT}/deployment/container/Containerfile",
        "--tag=payments-gateway",
        ROOT,
    )
    return buildah


@pytest.fixture(scope="module")
def unpacked(buildah: Buildah) -> Iterator[Path]:
    """Yield the folder of the image's files."""
    container = buildah("from", "payments-gateway")
    yield Path(buildah("mount", container))
    buildah("umount", container)


@pytest.fixture(scope="module")
def config(buildah: Buildah) -> dict[str, Any]:
    """Return the configuration in the image."""
    inspected: dict[str, Any] = json.loads(buildah("inspect", "--type=image", "payments-gateway"))
    said: dict[str, Any] = inspected["Docker"]["config"]
    return said


def started(unpacked: Path, config: dict[str, Any], *command: str, log: Path, **settings: str) -> Program:
    """Return the program of a container that runs this command of the image."""
    (unpacked / CODE[1:] / ".local").mkdir(exist_ok=True)
    program = Program(
        "container",
        ["unshare", "--mount", "sh", "-c", START, "sh", str(unpacked), *config["Entrypoint"], *command],
        log=log,
        environment={**dict(each.split("=", 1) for each in config["Env"]), "LANG": "C.UTF-8", **settings},
    )
    program.start()
    return program


TRY_OUT = MappingProxyType({"CHECKOUT_TRY_OUT": "true", "DEBUG": "false"})


def test_the_image_sells_something_through_a_challenge(unpacked, config, tmp_path):
    ports = {"WEB_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    program = started(unpacked, config, "run_demo", "--once", log=tmp_path / "log", **ports)
    assert program.wait(seconds=180) == 0, program.text()
    assert "End: captured (as expected)." in program.text()


def test_web_starts_by_default_is_healthy_and_ends_in_order(unpacked, config, tmp_path):
    port, metrics = free_port(), free_port()
    own = {"WEB_PORT": str(port), "CHECKOUT_METRICS_PORTS": str(metrics), **TRY_OUT}
    check = tuple(config["Healthcheck"]["Test"][1:])
    before = shown_by(unpacked, {**config, "Entrypoint": []}, *check, log=tmp_path / "before", **own)
    assert before != 0, "nothing runs yet"
    web = started(unpacked, config, *config["Cmd"], log=tmp_path / "web", **own)

    def version():
        try:
            return requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).json()["version"]
        except requests.RequestException:
            return ""

    wait_until(lambda: version() == VERSION, "/livez of web", seconds=60)
    healthy = shown_by(unpacked, {**config, "Entrypoint": []}, *check, log=tmp_path / "after", **own)
    assert healthy == 0, (tmp_path / "after").read_text()
    web.terminate()
    assert "Finished server process" in web.text()


def shown_by(unpacked: Path, config: dict[str, Any], *command: str, log: Path, **settings: str) -> int:
    """Return the exit code of a command in a container of its own."""
    return started(unpacked, config, *command, log=log, **settings).wait(seconds=60)


def test_no_process_of_the_image_is_root_and_none_can_write_its_files(unpacked, config, tmp_path):
    assert config["User"] == "10001:10001"
    written = [
        path
        for path in unpacked.rglob("*")
        if not path.is_symlink() and path.exists() and path.stat().st_uid == 10001
    ]
    assert written == []
    log = tmp_path / "log"
    assert shown_by(unpacked, {**config, "Entrypoint": []}, "touch", "manage.py", log=log) != 0
    assert re.search("Read-only|Permission denied", log.read_text())


def test_the_bill_of_materials_names_the_packages_of_python_and_of_debian(unpacked):
    bill = json.loads((unpacked / CODE[1:] / "sbom.cdx.json").read_text())
    found = {each["purl"].partition("@")[0] for each in bill["components"]}
    assert {"pkg:pypi/django", "pkg:pypi/pika", "pkg:deb/debian/python3", "pkg:deb/debian/libc6"} <= found
    pinned = re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    versions = {each["name"]: each["version"] for each in bill["components"] if "pypi" in each["purl"]}
    assert {name: version for name, version in pinned if versions.get(name, version) != version} == {}


def test_the_image_has_no_tools_to_install_more_and_no_tests(unpacked):
    code = unpacked / CODE[1:]
    assert not (code / "tests").exists()
    assert not list((code / ".venv").rglob("site-packages/pip"))
    assert not (unpacked / "usr/bin/gcc").exists()

"""A machine inside this one: systemd on a copy of this machine's files, which is deleted afterwards.

It has its own processes, mounts, devices, network and name, and the same kernel. Nothing on it affects this
machine, and it reaches no network but that of the test.
"""

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pexpect

from tests.support import environment
from tests.support.hosts import Host
from tests.support.program import ROOT
from tests.support.waiting import wait_until

# All machines share the kernel's settings, so they can only be read here. Units that would change them are
# masked.
BOOT = """
set -eu
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for unit in systemd-sysctl systemd-modules-load systemd-binfmt systemd-remount-fs ldconfig; do
    ln -sf /dev/null "etc/systemd/system/$unit.service"
done
rm -f etc/systemd/system/*.target.wants/*
mkdir -p {code} {packages} .former
mount --bind "$1/code" .{code}
mount --bind -o ro "$2" .{packages}
hostname "$3"
echo "$3" > etc/hostname
printf '127.0.0.1 localhost pay.example\\n%s\\n' "$4" > etc/hosts
ip link set lo up
pivot_root . .former
exec chroot . /bin/sh -c 'umount -l /.former; exec env -i container=test {path} \
    /usr/lib/systemd/systemd systemd.unit=basic.target'
"""
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# A repository with the files of this one, and the packages of the present Python environment.
CODE, PACKAGES = Path("/mnt/code"), Path("/mnt/packages")
PATIENCE_SECONDS = 120


class Machine:
    """A running machine. ``init`` is the id that its first process has on this machine."""

    def __init__(self, init: int) -> None:
        self._init = init
        self._within = ("--target", str(init), "--all", "--root", "--wd", "env", "-i", "HOME=/root", PATH)

    def run(self, script: str, answers: Sequence[tuple[str, str]] = ()) -> str:
        """Run a script for bash as root, and return its output.

        ``answers`` are pairs: the end of a prompt, and the text to type there.
        """
        terminal = pexpect.spawn(
            "nsenter",
            [*self._within, "TERM=dumb", "bash", "-euo", "pipefail", "-c", script],
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
        )
        try:
            printed = ""
            for prompt, answer in answers:
                terminal.expect_exact(prompt)
                printed += f"{terminal.before}{prompt}"
                terminal.sendline(answer)
            terminal.expect(pexpect.EOF)
            printed += str(terminal.before)
        finally:
            terminal.close(force=True)
        printed = printed.replace("\r\n", "\n")
        assert terminal.exitstatus == 0, f"{script}\n{printed}"
        return printed

    def is_up(self) -> bool:
        """Return True once systemd has started all units."""
        if Path(f"/proc/{self._init}/comm").read_text() != "systemd\n":
            return False
        asked = ["nsenter", *self._within, "systemctl", "is-system-running"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@contextmanager
def machine(
    name: str = "machine", *, host: Host | None = None, names: str = "127.0.0.1 machine"
) -> Iterator[Machine]:
    """Yield a machine that has started. Needs root; without it, the test is skipped, or fails in CI.

    It uses the network of ``host``, or none. ``names`` are further lines of its `/etc/hosts`.
    """
    if os.geteuid() != 0:
        environment.missing("a machine of its own needs root")
    boot = BOOT.format(code=CODE, packages=PACKAGES, path=PATH)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for part in ("upper", "work", "root"):
            (folder / part).mkdir()
        _copy_code(folder / "code")
        # The machine ends with this process, and its programs end with its first process.
        within = host.within if host else ("unshare", "--net")
        start = ["setpriv", "--pdeathsig", "KILL", *within, "unshare"]
        apart = ["--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup"]
        arguments = [place, sysconfig.get_path("purelib"), name, names]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [*start, *apart, "sh", "-c", boot, "boot", *arguments], stdout=log, stderr=log
            )
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            wait_until(lambda: _is_over(process, folder) or children.read_text().split(), "the first process")
            made = Machine(int(children.read_text()))
            wait_until(
                lambda: _is_over(process, folder) or made.is_up(),
                "systemd to start",
                seconds=PATIENCE_SECONDS,
            )
            yield made
        finally:
            process.kill()
            process.wait()


def _is_over(process: "subprocess.Popen[bytes]", folder: Path) -> bool:
    """Return False. Raises AssertionError with the machine's log if it has ended."""
    assert process.poll() is None, (folder / "log").read_text()
    return False


def _copy_code(folder: Path) -> None:
    """Make a repository of the files here that are under version control, or would be added to it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    for file in filter(None, listed.split("\0")):
        if (ROOT / file).exists():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)
    author = ["-c", "user.name=test", "-c", "user.email=test@pay.example"]
    for command in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "-m", "Release"]):
        subprocess.run(["git", *command], cwd=folder, check=True)

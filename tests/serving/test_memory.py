"""After a flood of log-ins or of connections, their memory is returned to the system."""

import subprocess
import sys

from tests.support.program import ROOT

# The program keeps a small allocation after each hash, as a working process does.
PROGRAM = """
import hashlib, re, sys, threading
from pathlib import Path
from payments_gateway.serving.process.memory import give_freed_memory_back

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

def hash_passwords(_kept=[]):
    for number in range(3):
        hashlib.scrypt(b"guessed", salt=b"salt", n=2**14, r=8, p=1, maxmem=2**26)
        _kept.append(bytearray(100_000))

if sys.argv[1] == "give back":
    assert give_freed_memory_back()
before = resident()
threads = [threading.Thread(target=hash_passwords) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resident() - before)
"""


def megabytes_left(how: str) -> int:
    command = [sys.executable, "-c", PROGRAM, how]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_what_hashes_took_is_given_back():
    assert megabytes_left("give back") < 16


# The buffers of 500 connections, with a small block between each two of them that stays.
FLOOD = """
import re, sys
from pathlib import Path
from payments_gateway.serving.process import memory

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

class Clock:
    def __init__(self):
        self.due_later = []

    def call_later(self, _seconds, act):
        self.due_later.append(act)

def main():
    assert memory.give_freed_memory_back()
    before, buffers, kept = resident(), [], []
    for number in range(500):
        buffers.append(bytearray(100_000))
        kept.append(bytearray(600))
    clock, flood = Clock(), memory.AfterFlood()
    for left in range(499, int(sys.argv[1]) - 1, -1):
        flood.note_end(left, clock)
    buffers.clear()
    for act in clock.due_later:
        act()
    print(resident() - before)

main()
"""


def megabytes_left_with(connections: int) -> int:
    command = [sys.executable, "-c", FLOOD, str(connections)]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def test_what_connections_took_is_given_back_when_most_of_them_have_ended():
    assert megabytes_left_with(connections=400) > 32
    assert megabytes_left_with(connections=100) < 16

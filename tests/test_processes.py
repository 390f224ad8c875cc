"""The processes of the try-out: one that dies is started again, and all end together."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.program import Program

MANAGER = """
import signal
import sys
from honcho.printer import Printer
from scripts import processes
processes.LEAST_SECONDS = {least}

class Interrupted(processes.KeepingManager):
    def _start(self):
        super()._start()
        signal.raise_signal(signal.SIGTERM)  # before it has read the id of any process

manager = {manager}(Printer(sys.stdout))
manager.add_process("dies", "test -e {mark} && echo runs && exec sleep 50; touch {mark}; kill -9 $$")
manager.add_process("stays", "exec sleep 50")
manager.loop()
"""


def started(tmp_path: Path, least: float, manager: str = "processes.KeepingManager") -> Program:
    text = MANAGER.format(mark=tmp_path / "mark", least=least, manager=manager)
    command = [sys.executable, "-c", text]
    program = Program("manager", command, log=tmp_path / "log", environment=dict(os.environ))
    program.start()
    return program


@pytest.mark.slow
def test_a_process_that_dies_is_started_again_and_stops_with_the_others(tmp_path: Path):
    running = started(tmp_path, least=0)
    running.wait_for_line("dies was killed by signal 9: it is started again", seconds=30)
    running.wait_for_line("runs", seconds=30)
    running.terminate()
    assert "sending SIGTERM to dies" in running.text()


@pytest.mark.slow
def test_a_process_that_dies_at_its_start_ends_all(tmp_path: Path):
    running = started(tmp_path, least=60)
    running.wait(seconds=30)
    assert "started again" not in running.text()


@pytest.mark.slow
def test_a_signal_during_the_start_ends_all(tmp_path: Path):
    running = started(tmp_path, least=60, manager="Interrupted")
    running.wait(seconds=30)
    assert "sending SIGTERM to stays" in running.text()

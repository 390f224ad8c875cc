"""Fixture: one running demonstration for all tests that only buy something."""

import pytest

from tests.tryout.running_demo import RunningDemo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory):
    demo = RunningDemo(tmp_path_factory.mktemp("running"))
    program = demo.program()
    program.start()
    try:
        program.wait_for_line("Ctrl-C stops everything.", seconds=120)
        yield demo
    finally:
        assert program.terminate() == 0
        assert demo.is_gone()

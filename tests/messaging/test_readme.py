"""The example of messaging's README, run as it stands, in a project of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import blocks_of
from tests.support.program import ROOT

README = ROOT / "messaging" / "README.md"
# Requests a greeting before the service runs, while it runs, and after it has stopped.
DRIVER = """
import asyncio, json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "project"
import django
django.setup()
from django.core.management import call_command
from django.test import AsyncClient
call_command("migrate", run_syncdb=True, verbosity=0)
from greeting import service
from messaging.registry import close_brokers, get_broker

async def main():
    get_broker().open()
    await get_broker().wait_connected()
    client = AsyncClient()
    answers = [await client.get("/greet/Ann/")]
    stop = asyncio.Event()
    working = asyncio.create_task(service.work(stop))
    while (answer := await client.get("/greet/Ann/")).status_code != 200:
        await asyncio.sleep(0.01)
    answers.append(answer)
    stop.set()
    await working
    answers.append(await client.get("/greet/Bob/"))
    await close_brokers()
    return [[answer.status_code, answer.json()] for answer in answers]

print(json.dumps(asyncio.run(main())))
"""
URLS = """
from django.urls import path
from greeting import views

urlpatterns = [path("greet/<name>/", views.greet)]
"""
SETTINGS = """
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["greeting"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "greeting.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "greeting.urls"
"""


def blocks() -> list[str]:
    return blocks_of(README, "python")


def test_the_example_is_forty_lines_of_code():
    *files, _settings = blocks()
    lines = [line for block in files for line in block.splitlines() if line.strip()]
    assert len(lines) <= 45


@pytest.mark.parametrize("url", ["memory://", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def test_the_example_does_what_it_says(tmp_path: Path, url: str, request: pytest.FixtureRequest):
    address = request.getfixturevalue("rabbitmq_url") if url == "rabbitmq" else url
    does_what_it_says(tmp_path, address, package=ROOT)


def does_what_it_says(folder: Path, url: str, *, package: Path | None, python: str = sys.executable) -> None:
    """Run the example in a folder. ``package`` is the folder from which `messaging` is imported, if any."""
    *files, settings = blocks()
    (folder / "greeting").mkdir()
    (folder / "greeting" / "__init__.py").touch()
    for block in files:
        name = block.splitlines()[0].removeprefix("# ")
        (folder / name).write_text(block)
    (folder / "greeting" / "urls.py").write_text(URLS)
    (folder / "project.py").write_text(settings.replace("memory://", url) + SETTINGS)
    (folder / "drive.py").write_text(DRIVER)
    places = [str(place) for place in (folder, package) if place is not None]
    done = subprocess.run(
        [python, "drive.py"],
        cwd=folder,
        env={"PYTHONPATH": ":".join(places), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    absent, greeted, pending = json.loads(done.stdout.splitlines()[-1])
    assert absent == [503, {"status": "unavailable"}]
    assert greeted == [200, {"text": "Good morning, Ann!"}]
    assert pending == [202, {"status": "pending"}]

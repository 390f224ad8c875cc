"""Generated files of client libraries, which are up to date with the OpenAPI document."""

import pytest

from scripts.clients import python


@pytest.mark.parametrize(("path", "text"), python.files().items(), ids=lambda each: getattr(each, "name", ""))
def test_the_client_in_python_is_as_it_is_made_now(path, text):
    assert path.read_text() == text, "run: python -m scripts.clients.python"

"""Several threads may be the first to use a type, and all code reads types in a way that permits that."""

import re
import subprocess
import sys

from tests.support.program import ROOT

# With `msgspec.convert` itself, this program ends with a segmentation fault.
PROGRAM = """
import sys, threading, types
from messaging.libraries import typed

sys.setswitchinterval(1e-6)
INNER = "class I{0}(msgspec.Struct):\\n    a: 'int | None' = None\\n    b: 'list[int] | None' = None\\n"
FIELD = "    f{0}: 'I{0} | None' = None\\n"
SOURCE = "import msgspec\\n" + "".join(INNER.format(number) for number in range(8)) + (
    "class Outer(msgspec.Struct):\\n" + "".join(FIELD.format(number) for number in range(8))
)
for number in range(100):
    module = sys.modules[f"m{number}"] = types.ModuleType(f"m{number}")
    exec(SOURCE, module.__dict__)
    together = threading.Barrier(4)

    def read():
        together.wait()
        assert typed.convert({"f7": {"a": 1}}, module.Outer).f7.a == 1

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
DIRECTLY = re.compile(r"msgspec\.convert\(|\bjson\.Decoder\(|json\.decode\([^)]*\btype=")
# When it is imported, it reads a type without other types in it.
EXCEPT = {"messaging/libraries/typed.py", "messaging/envelope.py"}


def test_threads_that_are_the_first_to_use_a_type_all_read_it():
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, check=True)


def test_no_other_module_reads_types_with_msgspec_itself():
    files = (path for top in ("messaging", "checkout", "sandbox") for path in (ROOT / top).rglob("*.py"))
    found = {str(path.relative_to(ROOT)) for path in files if DIRECTLY.search(path.read_text())}
    assert found <= EXCEPT

"""SECURITY.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def promises():
    lines = [line for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if "`tests/" in line]
    return {line.split("|")[1].strip(): re.findall(r"`(tests/[^`]+)`", line) for line in lines}


def test_every_promise_has_a_test_that_is_there():
    assert len(promises()) >= 14
    for promise, tests in promises().items():
        for test in tests:
            path, _, name = test.partition("::")
            text = (ROOT / path).read_text(encoding="utf-8")
            assert f"def {name}(" in text if name else "def test_" in text, f"{promise}: {test}"


def test_every_file_of_this_folder_is_named():
    named = {test.partition("::")[0] for tests in promises().values() for test in tests}
    here = {path.relative_to(ROOT).as_posix() for path in Path(__file__).parent.glob("test_*.py")}
    assert here - named == {"tests/trust/test_security.py"}

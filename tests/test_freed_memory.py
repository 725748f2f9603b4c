import platform
import subprocess
import sys

import pytest

# Eight blocks at a time are touched, page by page, and freed, twenty times over; the system counts the pages.
PROGRAM = """
import resource, sys
import numpy as np
from mixcli.freed_memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def touch():
    blocks = [np.empty(3 << 20, np.uint8) for _ in range(8)]
    for block in blocks:
        block[::4096] = 1
start = faults()
touch()
once = faults() - start
for _ in range(20):
    touch()
print(once, faults() - start - once)
"""


def pages(how: str) -> list[int]:
    command = [sys.executable, "-c", PROGRAM, how]
    return [int(word) for word in subprocess.run(command, check=True, capture_output=True).stdout.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be asked to keep memory")
def test_memory_that_was_freed_is_not_fetched_again_from_the_system():
    once, again = pages("keep")
    assert again < once / 4
    assert pages("leave")[1] > 10 * max(again, 1)  # what this is for

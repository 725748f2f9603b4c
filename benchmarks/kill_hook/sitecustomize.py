"""Kills its whole process group at a moment of `mixcli batch`; Python itself loads a module of this name.

`KILL_AT` is CALL:ENDING:WHEN:N, the N-th time that one process makes a call (`open`, `write`, `put`, `fsync`,
`replace` or `unlink`) for a file whose name ends like this; temporaries go by the name of what they will
become. WHEN is `before` the call, `half` of what it writes, or `after` it. `put` is a file written in one go.
"""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

PART = re.compile(r"\.(.*)\.mixcli-\d+-[0-9a-f]{8}\.part")

names: dict[int, str] = {}  # of open files, by their descriptors


def target(place: Any) -> str:
    """The name of what a call is about: a path, or a descriptor."""
    name = names.get(place, "") if isinstance(place, int) else Path(os.fsdecode(place)).name
    match = PART.fullmatch(name)
    return match[1] if match else name


def deadly(
    real: Callable[..., Any], ending: str, when: str, count: int, place: int = 0
) -> Callable[..., Any]:
    """A call that works as ever, but for the last one; `place` says which argument names the file."""
    left = [count]

    def call(*given: Any, **named: Any) -> Any:
        if not target(given[place]).endswith(ending):
            return real(*given, **named)
        left[0] -= 1
        if left[0]:
            return real(*given, **named)
        if when == "half":
            real(given[0], given[1][: len(given[1]) // 2], *given[2:], **named)
        elif when == "after":
            real(*given, **named)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    return call


def remember_names() -> None:
    """Let descriptors be known by the names they were opened by, until they are closed."""
    real_open, real_close = os.open, os.close

    def remembered(path: Any, *given: Any, **named: Any) -> int:
        descriptor = real_open(path, *given, **named)
        names[descriptor] = Path(os.fsdecode(path)).name
        return descriptor

    def forgotten(descriptor: int) -> None:
        names.pop(descriptor, None)
        real_close(descriptor)

    os.open, os.close = remembered, forgotten


if os.environ.get("KILL_AT"):
    call, ending, when, number = os.environ["KILL_AT"].split(":")
    remember_names()
    if call == "put":
        for method in ("write_bytes", "write_text"):
            setattr(Path, method, deadly(getattr(Path, method), ending, when, int(number)))
    else:
        setattr(os, call, deadly(getattr(os, call), ending, when, int(number), place=int(call == "replace")))

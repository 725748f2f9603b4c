"""From the options of `batch` to what is asked of it."""

import math
import re
import sys
from pathlib import Path
from typing import cast

from mixcli.audio.wording import printable
from mixcli.batching.capacity import auto_jobs
from mixcli.batching.dask_session import check_package, configured_scheduler
from mixcli.batching.places import list_of
from mixcli.batching.plan import BatchPlan
from mixcli.batching.request import BatchRequest, Check, Limits, Only
from mixcli.batching.shards import Shard
from mixcli.cli.batch_options import BatchOptions
from mixcli.cli.parse import parse_choice, parse_number, parse_time
from mixcli.cli.request import build_request
from mixcli.errors import UsageError
from mixcli.models.model_paths import default_model

STDIN = Path("-")
UNITS_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)([dhms]))+")


def build_batch(
    places: list[Path] | None, out: Path, options: BatchOptions
) -> tuple[BatchRequest, list[Path]]:
    """Everything that was typed, and the list on standard input. Raises UsageError and SettingsError."""
    if not places:
        hint = "mixcli batch LIBRARY --out DIR; --merge alone needs none."
        raise UsageError("no library given.", code="E237", hint=hint)
    if options.recipe is not None:
        raise UsageError("--recipe belongs to one song.", code="E208", hint="mixcli mix SONG --recipe FILE")
    if options.fail_fast and options.max_failures not in (None, 1):
        raise UsageError("--fail-fast and --max-failures contradict each other.", code="E206")
    only = parse_choice("--only", options.only, ("rest", "new", "failed", "stale", "all"))
    check = parse_choice("--check", options.check, ("quick", "content"))
    if options.album and options.shard is not None:
        hint = "give each folder of songs to a run of its own."
        raise UsageError("--album and --shard contradict each other.", code="E239", hint=hint)
    parse_jobs(options.jobs)  # what is wrong with it is said before a library is gone through
    listed: list[Path] = []
    if STDIN in places:
        listed = list_of(sys.stdin.buffer.read(), separator=b"\0" if options.null else b"\n")
    limits = Limits(
        songs=options.max_songs,
        seconds=parse_span("--stop-after", options.stop_after),
        failures=1 if options.fail_fast else options.max_failures,
    )
    request = BatchRequest(
        places=tuple(place for place in places if place != STDIN),
        out=out,
        every=build_request(Path(), out, options, if_exists="skip"),
        only=cast(Only, only),
        check=cast(Check, check),
        limits=limits,
        settle_s=parse_span("--settle", options.settle) or 0.0,
        shard=parse_shard(options.shard),
        album=options.album,
        scheduler=scheduler_asked(options),
    )
    return request, listed


def parse_shard(text: str | None) -> Shard | None:
    """A share from "2/8". Raises UsageError."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        message = f'--shard "{printable(text)}": a share and the number of shares, 1/8 to 8/8.'
        raise UsageError(message, code="E236")
    return Shard(int(match[1]), int(match[2]))


def scheduler_asked(options: BatchOptions) -> str | None:
    """The scheduler of a Dask cluster; None for processes. Raises UsageError E238, DeviceError E604."""
    engine = parse_choice("--engine", options.engine, ("processes", "dask"))
    if engine == "processes":
        if options.scheduler is not None:
            raise UsageError("--scheduler belongs to --engine dask.", code="E238", hint="--engine dask")
        return None
    check_package()
    scheduler = options.scheduler or configured_scheduler()
    if not scheduler:
        hint = "--scheduler tcp://HOST:8786, or the file that dask scheduler --scheduler-file wrote."
        raise UsageError("--engine dask needs a scheduler.", code="E238", hint=hint)
    return scheduler


def devices_asked(request: BatchRequest, plan: BatchPlan) -> tuple[str, ...]:
    """The CUDA devices that processes share; none where a device was named, or no network takes part.

    Raises DeviceError E601 where there are none. Torch is loaded only where there may be some.
    """
    by_processes = request.scheduler is None and plan.wanted
    if request.every.device != "cuda" or not by_processes or not network_takes_part(plan):
        return ()
    from mixcli.engine.device import cuda_devices

    return cuda_devices()


def network_takes_part(plan: BatchPlan) -> bool:
    """Whether a network is asked for, or comes with mixcli."""
    settings = plan.settings
    return settings.amount != 0 and (settings.model or default_model()) is not None


def jobs_asked(text: str, plan: BatchPlan, *, by_cluster: bool = False, n_devices: int = 0) -> int | None:
    """How many songs at the same time; None leaves it to the cluster. Raises UsageError."""
    n_songs = sum(plan.songs[index].failure is None for index in plan.wanted)
    number = parse_jobs(text)
    if number is None:
        if by_cluster:
            return None
        return auto_jobs(n_songs, with_network=network_takes_part(plan), n_devices=n_devices)
    return max(min(number, n_songs), 1)


def parse_jobs(text: str) -> int | None:
    """A number of songs at the same time; None for auto. Raises UsageError."""
    if text == "auto":
        return None
    number = parse_number("--jobs", text)
    if number < 1 or number != int(number):
        raise UsageError(f'-j "{printable(text)}": a whole number from 1 on, or auto.', code="E203")
    return int(number)


def parse_span(option: str, text: str | None) -> float | None:
    """Seconds from 8h, 90m, 1h30m or 45s, or a time as of songs: 90, 1:30:00. Raises UsageError."""
    if text is None:
        return None
    word = text.strip().lower()
    if SPAN.fullmatch(word) is None:
        seconds = parse_time(option, text)
        return seconds if seconds is None else float(seconds)
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", word)
    return math.fsum(float(number) * UNITS_S[unit] for number, unit in parts)

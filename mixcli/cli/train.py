"""`mixcli train`: from a folder of songs to a model that mixes."""

import os
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mixcli.cli.show import line, path_line, result_line, show_notices
from mixcli.cli.spelled_out import spell_out_options
from mixcli.cli.stopping import StopRequest
from mixcli.cli.train_document import checked_document, count_parts, hours_of, train_document
from mixcli.cli.train_options import RunOut, Sources, TrainOptions
from mixcli.errors import Notice, SongError, UsageError

if TYPE_CHECKING:
    from mixcli.training.prepare_options import DataOptions
    from mixcli.training.prepared_song import PreparedSong
    from mixcli.training.processes import Processes
    from mixcli.training.request import Ended, Scores, TrainRequest

STOPPED_EARLY = 75  # EX_TEMPFAIL: schedulers try again


@spell_out_options
def train(context: typer.Context, dataset: Sources, out: RunOut = None, *, options: TrainOptions) -> None:
    """Train a network on songs and their mixes.

    The folder of the run gets settings, log, curve, checkpoints, samples and a model: mix SONG --model RUN.

    The path of the model goes to stdout, everything else to stderr. The same command goes on where a run
    stopped. With torchrun --nproc-per-node N -m mixcli train … N processes share the work.
    """
    if options.dry_run:
        census_only(dataset, out or Path(), options)
        return
    if out is None:
        raise UsageError("--out is missing: the folder of this run.", code="E220", hint="-o runs/first")
    if not str(out).strip("."):
        raise UsageError('--out "." is where you are: name a folder for the run.', code="E220")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # the same sums in the same order
    from mixcli.cli.train_request import build_training, data_options
    from mixcli.engine.device import choose_device
    from mixcli.mixing.folder_lock import FolderLock
    from mixcli.training.device import use_threads
    from mixcli.training.processes import in_environment, joined

    stop: StopRequest = context.obj
    options = silenced(options) if not in_environment().is_first else options
    request = build_training(dataset, out, options)
    data = data_options(options)
    use_threads(options.threads)
    device = choose_device(request.device, local_rank=in_environment().local_rank)
    with ExitStack() as stack:
        if in_environment().is_first:
            stack.enter_context(FolderLock(out, "mixcli train"))
        processes = stack.enter_context(joined(device.type))
        songs, refused = prepare(request, data, options, processes, stop)
        if options.check:
            code = check_only(request, songs, options, processes)
        else:
            code = train_all(request, songs, refused, options, processes)
    if code:
        raise typer.Exit(code)


def silenced(options: TrainOptions) -> TrainOptions:
    """The options of a process that is not the first of several: it says nothing but its errors."""
    from dataclasses import replace

    return replace(options, quiet=2, json=False, verbose=0)


def census_only(sources: list[str], out: Path, options: TrainOptions) -> None:
    """Say what songs there are. Raises SongError E381 if there is none to train on."""
    from mixcli.cli.train_request import build_training, data_options
    from mixcli.cli.train_show import show_census
    from mixcli.mixing.result import to_json
    from mixcli.training.census import census, census_document

    request = build_training(sources, out, options)
    found = census(sources, data_options(options), request.model)
    if options.json:
        sys.stdout.write(to_json(census_document(found)))
    else:
        show_census(found)
    if not any(song.part == "train" for song in found.songs):
        raise SongError(
            "there is no song to train on.", code="E381", hint="the refused ones are named above."
        )


def prepare(
    request: "TrainRequest",
    data: "DataOptions",
    options: TrainOptions,
    processes: "Processes",
    stop: StopRequest,
) -> "tuple[list[PreparedSong], list[Notice]]":
    """Prepare all songs, with a bar; those refused become warnings. The first process fills the cache."""
    from mixcli.cli.train_request import cache_folder
    from mixcli.cli.train_show import bar
    from mixcli.training.prepare_dataset import prepare_dataset
    from mixcli.training.prepared_song import PreparedSong

    if not processes.is_first:
        processes.wait()
    songs, refused = [], []
    cache = cache_folder(options, request.out)
    with bar("Preparing", "song", quiet=options.quiet, verbose=options.verbose) as shown:
        for item in prepare_dataset(list(request.sources), request.model, data, cache):
            stop.check()
            shown.advance(item.name)
            if isinstance(item, PreparedSong):
                songs.append(item)
            else:
                refused.append(Notice("W381", f'"{item.name}" is left out: {item.reason}', item.name))
    if processes.is_first:
        processes.wait()
    told = [*refused, *shared_notices(songs)]
    show_notices(tuple(told), quiet=options.quiet, verbose=options.verbose)
    return songs, told


def shared_notices(songs: "list[PreparedSong]") -> list[Notice]:
    """A warning where artists are on both sides of a split, as lists and published parts can have it."""
    from mixcli.training.split import SplitSong, shared_groups

    entries = [
        SplitSong(name=song.name, group=song.group, duration_s=song.n_samples / song.sample_rate)
        for song in songs
    ]
    shared = sorted(shared_groups(entries, {song.name: song.part for song in songs}))
    if not shared:
        return []
    named = ", ".join(f'"{group}"' for group in shared[:5]) + (", …" if len(shared) > 5 else "")
    text = f"in training and beside it: {named}; scores on songs of the same artist are too kind."
    return [Notice("W382", text)]


def check_only(
    request: "TrainRequest", songs: "list[PreparedSong]", options: TrainOptions, processes: "Processes"
) -> int:
    """Try everything once, and say so."""
    from mixcli.cli.train_show import began_line, validated_line
    from mixcli.mixing.result import to_json
    from mixcli.training.check import check_training

    began, stepped, validated = check_training(request, songs, processes)
    if not options.quiet:
        line(began_line(began, count_parts(songs), hours_of(songs)))
        line(validated_line(validated, stepped.loss))
    if options.json:
        sys.stdout.write(to_json(checked_document(request, songs, stepped.loss)))
    elif processes.is_first and options.quiet < 2:
        result_line("check passed: one batch, one step, one checkpoint there and back")
    return 0


def train_all(
    request: "TrainRequest",
    songs: "list[PreparedSong]",
    refused: list[Notice],
    options: TrainOptions,
    processes: "Processes",
) -> int:
    """Train, and tell of it; returns the exit code."""
    from mixcli.cli.train_show import (
        bar,
        began_line,
        ended_line,
        scores_words,
        step_line,
        step_words,
        validated_line,
    )
    from mixcli.cli.train_stopping import GentleStop
    from mixcli.training.loop import train as run
    from mixcli.training.request import Began, Ended, Scores, Stepped, Validated
    from mixcli.training.schedule import total_steps

    ended: Ended | None = None
    console: Scores | None = None
    notices = list(refused)
    losses: list[float] = []
    total = total_steps(request.settings)
    with GentleStop() as stop, ExitStack() as stack:
        shown = None
        for event in run(request, songs, processes=processes, wants_stop=stop.was_asked):
            if isinstance(event, Began):
                if not options.quiet:
                    line(began_line(event, count_parts(songs), hours_of(songs)))
                    if event.console is not None:
                        line(f"the console alone: {scores_words(event.console)}")
                console = event.console
                show_notices(event.notices, quiet=options.quiet, verbose=options.verbose)
                notices += event.notices
                looks = {"quiet": options.quiet, "verbose": options.verbose}
                shown = stack.enter_context(bar("Training", "step", total=total, done=event.step, **looks))
            elif isinstance(event, Stepped) and shown is not None:
                losses.append(event.loss)
                shown.advance(step_words(event))
                if options.verbose and (text := step_line(event)):
                    line(text)
            elif isinstance(event, Validated) and shown is not None:
                if not options.quiet:
                    shown.line(validated_line(event, sum(losses) / len(losses) if losses else None))
                losses = []
            elif isinstance(event, Ended):
                ended = event
    if ended is None:
        raise RuntimeError("the training ended without saying so")
    if not options.quiet:
        line(ended_line(ended, str(request.out)))
    if processes.is_first:
        tell(request, songs, ended, console, notices, options)
    return {"stop": stop.exit_code, "time": STOPPED_EARLY}.get(ended.why, 0)


def tell(
    request: "TrainRequest",
    songs: "list[PreparedSong]",
    ended: "Ended",
    console: "Scores | None",
    notices: list[Notice],
    options: TrainOptions,
) -> None:
    """The result on stdout: the model's path, or one document."""
    from mixcli.mixing.result import to_json

    if options.json:
        sys.stdout.write(to_json(train_document(request, songs, ended, console, notices)))
    else:
        path_line(ended.model)
        if not options.quiet and ended.why in ("steps", "patience"):
            line(f'next: mixcli mix "My Song/" --model {shlex.quote(str(request.out))}')

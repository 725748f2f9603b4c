"""The loop: step after step, a validation after every epoch, and a run folder that is whole at any time."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mixcli.engine.device import choose_device
from mixcli.errors import Notice, SettingsError, SongError
from mixcli.models.checkpoint import build_model
from mixcli.models.network import Network
from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.batches import Batches
from mixcli.training.checkpoints import read_weights
from mixcli.training.device import refuse_without_compiler
from mixcli.training.pieces import PieceShape
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.processes import Processes
from mixcli.training.request import Began, Ended, Event, Stepped, TrainRequest, Validated
from mixcli.training.run_folder import RunFolder, data_statement, songs_fingerprint
from mixcli.training.schedule import step_size, total_steps
from mixcli.training.state import State, begin, make_optimizer
from mixcli.training.step import Stepper
from mixcli.training.validation import Validator

ALONE = Processes()


def train(
    request: TrainRequest,
    songs: Sequence[PreparedSong],
    *,
    processes: Processes = ALONE,
    wants_stop: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Train a network on the songs of the part "train", and tell of every step.

    After each step `wants_stop` is asked; then, and when the deadline has passed, a checkpoint is written and
    the run ends. An epoch that is over then is judged when the run goes on. The best weights so far, by the
    songs of the part "validation" (or without any by the loss of training), are in the run folder as a model.
    The same songs, settings and machine give the same weights to the bit, in one go or in several. Raises
    SongError E381, SettingsError E424, CheckpointError, OutputError, DeviceError, and TrainingError E801 or
    E802; the last good checkpoint is kept.
    """
    parts = {part: tuple(song for song in songs if song.part == part) for part in ("train", "validation")}
    settings = request.settings
    if not parts["train"]:
        raise SongError("there is no song to train on.", code="E381", hint="mixcli train -n tells why.")
    device = choose_device(request.device, local_rank=processes.local_rank)
    if request.model.data == "not stated":
        stated = data_statement(parts["train"], request.sources)
        request = replace(request, model=request.model.model_copy(update={"data": stated}))
    with torch.device("meta"):  # lengths alone
        shape = piece_shape(build_model(request.model), request.model, settings)
    refuse_misfits(settings, shape, processes)
    state, has_linear_start, notices = begin(request, parts["train"], songs_fingerprint(songs), device)
    if not parts["validation"]:
        message = "no song is held back for validation: the best weights are those with the least loss."
        notices = (*notices, Notice("W412", message))
    batches = Batches(
        parts["train"],
        shape,
        request.model,
        settings,
        rank=processes.rank,
        world_size=processes.world_size,
    )
    stepper = Stepper(
        module=_called(state.network, request, processes, device),
        batches=batches,
        model=request.model,
        settings=settings,
        processes=processes,
        device=device,
        precision=request.precision,
    )
    validator = Validator(
        songs=parts["validation"],
        shape=shape,
        model=request.model,
        settings=settings,
        processes=processes,
        compute=stepper.compute,
        device=device,
        n_at_once=max(1, settings.batch_size // settings.accumulate // processes.world_size),
    )
    with RunFolder(request, songs, validator, writes=processes.is_first) as folder:
        yield Began(
            step=state.progress.step,
            total_steps=total_steps(settings),
            n_parameters=sum(parameter.numel() for parameter in state.network.parameters()),
            device=str(device),
            linear_start=has_linear_start,
            console=validator.console_alone() if request.model.outputs == "residual" else None,
            notices=notices,
        )
        yield from _run(request, state, stepper, validator, folder, wants_stop)


def _run(
    request: TrainRequest,
    state: State,
    stepper: Stepper,
    validator: Validator,
    folder: RunFolder,
    wants_stop: Callable[[], bool],
) -> Iterator[Event]:
    settings, progress = request.settings, state.progress
    folder.begin(state)
    total, why = total_steps(settings), "steps"
    if progress.step == 0:
        yield _validate(request, state, validator, folder)
    elif _is_epoch_over(state, settings):
        yield from _end_epoch(request, state, stepper, validator, folder)
    if _is_over(settings, progress.epochs_without_better):
        total, why = progress.step, "patience"
    with closing(stepper.batches.ahead(progress.step, total, workers=request.workers)) as ahead:
        for batch in ahead:
            loss, size, norm = stepper.take(state, batch)
            progress.step += 1
            progress.epoch_loss += loss
            progress.epoch_steps += 1
            if state.mean is not None:
                state.mean.update(state.network)
                progress.n_mean_updates = state.mean.n_updates
            epoch = -(-progress.step // settings.steps_per_epoch)
            stepped = Stepped(step=progress.step, epoch=epoch, loss=loss, lr=size, gradient=norm)
            folder.log_step(stepped)
            yield stepped
            stop = _asked_to_stop(request, stepper.processes, stepper.device, wants_stop)
            if _is_epoch_over(state, settings):
                folder.save(state)  # a validation may take minutes: who ends it loses nothing that was learnt
                if stop is None:
                    yield from _end_epoch(request, state, stepper, validator, folder)
                    if _is_over(settings, progress.epochs_without_better) and progress.step < total:
                        stop = "patience"
            elif stop or (request.save_every and progress.step % request.save_every == 0):
                folder.save(state)
            if stop:
                why = stop
                break
    yield Ended(
        why=why, step=progress.step, model=folder.model_path, best_step=progress.best_step, best=state.best
    )


def _is_epoch_over(state: State, settings: TrainSettings) -> bool:
    """Whether steps were taken since the last validation and the next one is due."""
    step = state.progress.step
    is_due = step % settings.steps_per_epoch == 0 or step >= total_steps(settings)
    return is_due and state.progress.epoch_steps > 0


def _end_epoch(
    request: TrainRequest, state: State, stepper: Stepper, validator: Validator, folder: RunFolder
) -> Iterator[Event]:
    """Judge what the epoch has brought, and begin the second stage where it is time."""
    settings, progress = request.settings, state.progress
    yield _validate(request, state, validator, folder)
    is_over = _is_over(settings, progress.epochs_without_better)
    if is_over and settings.schedule == "two-stage" and progress.stage == 0:
        _second_stage(request, state, stepper.processes)
    folder.save(state)


def piece_shape(network: Network, model: ModelSettings, settings: TrainSettings) -> PieceShape:
    """The lengths of a piece: at least `segment_s` of mix, as long as the network's arithmetic makes it."""
    n_in = network.valid_input_length(max(1, round(settings.segment_s * model.sample_rate)))
    n_out = n_in - 2 * network.context
    return PieceShape(n_in=n_in, n_out=n_out, context=network.context, grid=network.grid)


def refuse_misfits(settings: TrainSettings, shape: PieceShape, processes: Processes) -> None:
    """Raise SettingsError E424 for settings that contradict each other or the number of processes."""
    message = None
    n_each, rest = divmod(settings.batch_size, processes.world_size)
    if rest:
        message = f"a batch of {settings.batch_size} cannot be shared by {processes.world_size} processes."
    elif settings.accumulate > n_each:
        message = f"{n_each} pieces cannot be taken in {settings.accumulate} parts."
    elif not (settings.l1 or settings.sdr or settings.stft or settings.sides):
        message = "nothing is to be learnt: l1, sdr, stft and sides are 0."
    elif (settings.stft or settings.sides) and shape.n_out <= min(settings.stft_sizes) // 2:
        message = f"pieces of {shape.n_out} samples are too short for the windows of stft_sizes."
    elif settings.schedule == "two-stage" and settings.patience is None:
        message = 'the schedule "two-stage" needs a patience: when does the second stage begin?'
    if message is not None:
        raise SettingsError(message, code="E424", hint="--set train.KEY=VALUE changes it.")


def _validate(request: TrainRequest, state: State, validator: Validator, folder: RunFolder) -> Validated:
    """Score the network, and keep its weights if there were none better."""
    progress, settings = state.progress, request.settings
    scores = validator.score(state.judged)
    loss = scores.loss if scores is not None else _mean_loss(state)
    least = math.inf if progress.best_loss is None else progress.best_loss
    better = loss is not None and loss < least  # never one that is no number: nothing would better it
    if better:
        progress.best_loss, progress.best_step, progress.epochs_without_better = loss, progress.step, 0
        state.best = scores
    elif progress.step:
        progress.epochs_without_better += 1
    if better or progress.step == 0:
        folder.save_best(state)
    progress.epoch_loss, progress.epoch_steps = 0.0, 0
    epoch = -(-progress.step // settings.steps_per_epoch)
    validated = Validated(step=progress.step, epoch=epoch, scores=scores, best=better)
    folder.log_validation(validated, step_size(settings, max(0, progress.step - 1), stage=progress.stage))
    return validated


def _mean_loss(state: State) -> float | None:
    steps = state.progress.epoch_steps
    return state.progress.epoch_loss / steps if steps else None


def _is_over(settings: TrainSettings, epochs_without_better: int) -> bool:
    """Whether patience has run out."""
    return settings.patience is not None and epochs_without_better >= settings.patience


def _second_stage(request: TrainRequest, state: State, processes: Processes) -> None:
    """Go on from the best weights with a new optimizer and the smaller step size."""
    processes.wait()  # for the first to have written them
    weights = read_weights(request.out / "checkpoints" / "best.pt")
    for network in (state.network, None if state.mean is None else state.mean.network):
        if network is not None:
            network.load_state_dict(weights)
    state.optimizer = make_optimizer(state.network, request.settings)
    state.progress.stage, state.progress.epochs_without_better = 1, 0


def _asked_to_stop(
    request: TrainRequest, processes: Processes, device: torch.device, wants_stop: Callable[[], bool]
) -> str | None:
    """Why the run should end now, "stop" or "time"; all processes say the same."""
    late = request.deadline is not None and time.monotonic() >= request.deadline
    asked = wants_stop()
    if processes.world_size > 1:
        flags = processes.total(torch.tensor([float(asked), float(late)], device=device)).tolist()
        asked, late = flags[0] > 0, flags[1] > 0
    return "stop" if asked else "time" if late else None


def _called(network: Network, request: TrainRequest, processes: Processes, device: torch.device) -> nn.Module:
    """The network as steps call it: compiled if asked for, its gradients shared among the processes."""
    module: nn.Module = network
    if request.compile:
        refuse_without_compiler(device)
        module.compile()  # in place: the names of the weights stay
    if processes.world_size > 1:
        module = DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)
    return module

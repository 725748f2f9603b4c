"""The size of a step over the course of a training: a pure function of the step, so that nothing is kept."""

import math

from mixcli.settings import TrainSettings

DROPS = ((0.85, 0.1), (0.95, 0.01))  # of "steps": from this share of the training on, this factor


def total_steps(settings: TrainSettings) -> int:
    """The most steps that a training takes."""
    by_epochs = settings.epochs * settings.steps_per_epoch
    return by_epochs if settings.steps is None else settings.steps


def step_size(settings: TrainSettings, step: int, *, stage: int = 0) -> float:
    """The learning rate of step number `step`, counted from 0; `stage` is 1 in the second of "two-stage"."""
    size = settings.lr
    share = step / max(1, total_steps(settings))
    if settings.schedule == "two-stage" and stage:
        return settings.final_lr
    if settings.schedule == "steps":
        size *= min((factor for start, factor in DROPS if share >= start), default=1.0)
    if step < settings.warmup_steps:
        return size * (step + 1) / settings.warmup_steps
    if settings.schedule == "cosine":
        left = max(1, total_steps(settings) - settings.warmup_steps)
        size *= 0.5 * (1 + math.cos(math.pi * min(1.0, (step - settings.warmup_steps) / left)))
    return size

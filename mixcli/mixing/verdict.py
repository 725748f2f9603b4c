"""What is said of a mix's loudness: the reason of the master's gain, warnings, and a requirement missed."""

from mixcli.audio.mastering import MAX_GAIN_DB, MasterSolution
from mixcli.errors import Notice, RequirementMissed
from mixcli.mixing.finish import FinishedMix
from mixcli.mixing.plan import MixPlan

SHORTEST_LOUDNESS_S = 0.4  # one gating block of BS.1770


def gain_reason(plan: MixPlan, finished: FinishedMix) -> str:
    """Why the master's gain is what it is."""
    settings, solution = plan.settings, finished.solution
    if settings.loudness_mode == "measure":
        return "measured only; the level is left as it came out"
    if settings.lufs is None:
        return f"peaks to {settings.true_peak_dbtp:g} dBTP; no loudness was asked for"
    if not solution.measurable:
        return f"too short or too quiet for a loudness; {_left_level(solution)}"
    if solution.reached:
        return f"from {solution.mix_lufs:.1f} to {settings.lufs:g} LUFS"
    return f"{solution.short_by_lu:.1f} LU short of {settings.lufs:g} LUFS: {_held_by(plan, solution)}"


def loudness_notices(plan: MixPlan, finished: FinishedMix) -> tuple[Notice, ...]:
    """What to say about the loudness."""
    settings, solution = plan.settings, finished.solution
    if settings.loudness_mode == "measure":
        return ()
    if not solution.measurable:
        name = f'"{plan.song.name}"'
        if plan.start_s > 0 or plan.duration_s is not None:
            name = f"this part of {name}"
        left = _left_level(solution).capitalize()
        seconds = finished.n_samples / plan.sample_rate
        if seconds < SHORTEST_LOUDNESS_S:
            return (Notice("W341", f"{name} lasts {seconds:.1f} s; loudness needs 0.4 s. {left}."),)
        return (Notice("W342", f"{name} is too quiet to have a loudness. {left}."),)
    if settings.lufs is None or solution.reached:
        return ()
    lufs, short = finished.measures.integrated_lufs, solution.short_by_lu
    return (Notice("W701", f"{lufs:.1f} LUFS, {short:.1f} LU under target: {_held_by(plan, solution)}."),)


def missed_requirement(plan: MixPlan, finished: FinishedMix) -> RequirementMissed | None:
    """The failure of a strict mix whose file misses its target by more than the tolerance."""
    settings, solution = plan.settings, finished.solution
    lufs, name = finished.measures.integrated_lufs, f'"{plan.song.name}"'
    if settings.lufs is None:
        return None
    if lufs is None:
        return RequirementMissed(f"{name} has no loudness to measure.", code="E702")
    short = settings.lufs - lufs
    if abs(short) <= settings.tolerance_lu:
        return None
    if settings.loudness_mode == "measure" or short < 0:
        message = f"{name} is {lufs:.1f} LUFS, {abs(short):.1f} LU from its target."
        return RequirementMissed(message, code="E703", hint="--loudness-mode limit brings it there.")
    return RequirementMissed(
        f"{name} is {lufs:.1f} LUFS, {short:.1f} LU under target: {_held_by(plan, solution)}.",
        code="E701",
        hint=f"--lufs {lufs:.0f}, or --set mix.limit_db={settings.limit_db + 3:g}.",
    )


def _left_level(solution: MasterSolution) -> str:
    return "level left as is" if solution.gain_db >= 0 else "level lowered under the ceiling, no more"


def _held_by(plan: MixPlan, solution: MasterSolution) -> str:
    if solution.held_by == "gain cap":
        return f"no mix is raised by more than {MAX_GAIN_DB:g} dB"
    return f"the {plan.settings.true_peak_dbtp:g} dBTP ceiling came first"

"""The inputs of a network as people write them: `kick,snare,overhead:L,overhead:R,tom:1,tom:2`."""

from mixcli.errors import SettingsError
from mixcli.models.settings import check_role_inputs, split_input
from mixcli.songs.roles import ROLES, check_role


def parse_inputs(text: str) -> tuple[str, ...]:
    """Read inputs in their order: roles, or the end of one role alone, with `:L`, `:R`, `:1` and so on.

    Raises SettingsError E405 for what is no role, E411 for inputs that do not belong together.
    """
    inputs = tuple(_input(word.strip()) for word in text.split(","))
    try:
        check_role_inputs(inputs)
    except ValueError as error:
        raise SettingsError(f"--inputs: {error}.", code="E411") from error
    return inputs


def _input(word: str) -> str:
    role, part = split_input(word)
    meant = [known for known in ROLES if known.endswith(f".{role}")]
    if role not in ROLES and len(meant) == 1:
        role = meant[0]
    check_role(role)
    return f"{role}:{part}" if part else role

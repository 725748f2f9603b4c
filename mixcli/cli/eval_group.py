"""`mixcli eval`: scoring is what it does; `listen` is a word behind it."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

SCORE = "score"


class ScoreByDefault(TyperGroup):
    """A group whose first command needs no name: `eval LIBRARY` scores, `eval listen …` listens."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the unspoken command in front."""
        if not args or args[0] == SCORE or args[0] not in self.commands:
            args = [SCORE, *args]
        return super().parse_args(ctx, args)


class UnspokenCommand(TyperCommand):
    """A command that goes by the name of its group, in usage lines too."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Take the group's own place."""
        return super().make_context(parent.info_name, args, parent=parent.parent, **extra)

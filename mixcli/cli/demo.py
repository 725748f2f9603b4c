"""`mixcli demo`: stems to try the tool with."""

from pathlib import Path
from typing import Annotated

import typer

from mixcli.cli.show import line, path_line


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the song goes.", show_default=False)],
    force: Annotated[bool, typer.Option("-f", "--force", help="Write over what is there.")] = False,
    quiet: Annotated[
        int, typer.Option("-q", "--quiet", count=True, help="Only the path.", show_default=False)
    ] = 0,
) -> None:
    """Write a small song as stems, to try mixcli without material of your own."""
    from mixcli.synthesis.demo_song import demo_song_is_there, write_demo_song

    was_there = demo_song_is_there(folder)
    files = write_demo_song(folder, overwrite=force)
    if not quiet:
        already = "already there: " if was_there and not force else ""
        line(f"{already}{len(files)} files of a small song, synthesised here (CC0)")
        line(f'next: mixcli mix "{folder}"')
    path_line(folder)

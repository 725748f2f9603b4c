"""`mixcli eval listen`: a blind listening test of mixes that were evaluated, and its analysis."""

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from mixcli.cli.parse import parse_choice
from mixcli.cli.show import line, path_line, result_line
from mixcli.errors import UsageError

Where = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR|ANSWERS…",
        help="The folder of eval --out; with --score the answers of the listeners.",
        show_default=False,
    ),
]


def listen(
    where: Where,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where the page goes.")] = Path(
        "listening"
    ),
    systems: Annotated[
        str | None,
        typer.Option(
            "--systems", metavar="NAME,…", help="Heard. Not given: all but baselines.", show_default=False
        ),
    ] = None,
    style: Annotated[
        str,
        typer.Option("--style", metavar="ape|mushra", help="All on one line; or each against the reference."),
    ] = "ape",
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            "--criterion", metavar="NAME", help="What is asked; may be repeated.", show_default=False
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--seconds", min=2, max=120, help="Length of the excerpts.")
    ] = 30.0,
    repeats: Annotated[
        int, typer.Option("--repeats", min=0, help="Hidden repeats per song, to see who hears steadily.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the hidden names.")] = 0,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="Of the page.")] = "Listening test",
    score: Annotated[bool, typer.Option("--score", help="Analyse answers instead.")] = False,
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="With --score: what was written beside the page.")
    ] = Path("listening/listening.key.json"),
    json: Annotated[bool, typer.Option("--json", help="With --score: one JSON document.")] = False,
    quiet: Annotated[
        int, typer.Option("-q", "--quiet", count=True, help="Results only.", show_default=False)
    ] = 0,
) -> None:
    """Make a blind listening test of what eval --out kept, or analyse its answers.

    Send listening.html to the listeners: it works from the file alone and saves their answers as JSON. Keep
    listening.key.json to yourself: it says which mix is whose.
    """
    if score:
        _score(where, key, json=json)
        return
    if len(where) != 1:
        raise UsageError("one folder of eval --out is needed.", code="E218", hint="answers need --score.")
    from mixcli.evaluation.listening_files import ListeningRequest, make_listening_test
    from mixcli.evaluation.listening_plan import Style

    request = ListeningRequest(
        evaluation=where[0],
        out=out,
        systems=tuple(word.strip() for word in (systems or "").split(",") if word.strip()),
        criteria=tuple(criterion or ()),
        style=cast(Style, parse_choice("--style", style, ("ape", "mushra"))),
        seconds=seconds,
        seed=seed,
        repeats=repeats,
        title=title,
    )
    page, key_path = make_listening_test(request)
    path_line(page)
    if not quiet:
        line(f"keep the key to yourself: {key_path}")
        line(f"next: mixcli eval listen --score ANSWERS… --key {key_path}")


def _score(files: list[Path], key: Path, *, json: bool) -> None:
    from mixcli.evaluation.listening import listening_table, score_answers
    from mixcli.evaluation.listening_files import read_answers, read_key
    from mixcli.mixing.result import to_json

    document: dict[str, Any] = score_answers(read_key(key), read_answers(files))
    if json:
        sys.stdout.write(to_json(document))
        return
    for text in listening_table(document):
        result_line(text)

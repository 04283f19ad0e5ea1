"""`spivae analyze`: analyses of a checkpoint, drawn in the terminal or as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spivae.analysis import DataOptions, declared_options
from spivae.cli import common
from spivae.cli.again import Drawing, Typed, note_down
from spivae.cli.common import assignments, checkpoint_argument, common_options
from spivae.cli.drawing import draw_figures
from spivae.cli.errors import describe
from spivae.cli.options import as_click, export_option, given, parameter_name, share_out
from spivae.cli.output import emit, emit_json, note
from spivae.cli.progress import progress_bar
from spivae.errors import SpivaeError, told

if TYPE_CHECKING:
    from spivae.analysis import Analysis
    from spivae.exporter import Exporter
    from spivae.plugins import Plugins
    from spivae.worker.answers import Answer

_DATA = declared_options(DataOptions)
_TYPED = "spivae.cli.analyze"  # in a context's meta: the arguments, and the checkpoint among them


class AnalyzeCommand(click.Command):
    """With exactly one NAME among the arguments, the options of that analysis are flags."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = list(self.params)
        try:
            ctx.obj = plugins = common.plugins()
            every = (flag for item in plugins.analyses.values() for flag in flags_of(item, own))
            words = _words([*own, *every], args)  # the value of an option may be the name of an analysis
            ctx.meta[_TYPED] = Typed(list(args), words[0] if words else "")
            named = [plugins.analyses[name] for name in dict.fromkeys(words[1:]) if name in plugins.analyses]
            if len(named) == 1:
                self.params = own + flags_of(named[0], own)
            return super().parse_args(ctx, args)
        finally:
            self.params = own

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        data = {parameter_name(option) for option in _DATA}
        sections: dict[str, list[tuple[str, str]]] = {
            "Trajectories": [],
            "Of the analysis": [],
            "Options": [],
        }
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            declared = (param.name or "").startswith("option_")
            section = "Trajectories" if param.name in data else "Of the analysis" if declared else "Options"
            if record is not None and isinstance(param, click.Option):
                sections[section].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        plugins: Plugins = ctx.obj
        with formatter.section("Analyses"):
            formatter.write_dl([(item.name, item.title) for item in plugins.analyses.values()])


def _words(params: Sequence[click.Parameter], args: Sequence[str]) -> list[str]:
    """The arguments that are no options nor their values, before it is known which options there are."""
    with_value = {
        flag
        for param in params
        if isinstance(param, click.Option) and not param.is_flag
        for flag in param.opts
    }
    words, skip = [], False
    for word in args:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in with_value
        else:
            words.append(word)
    return words


def flags_of(analysis: Analysis, taken: Sequence[click.Parameter]) -> list[click.Parameter]:
    """An analysis's options as flags; one whose flag is taken bears the analysis's name in front."""
    flags = {flag for param in taken for flag in param.opts}
    found: list[click.Parameter] = []
    for option in declared_options(analysis.options):
        plain = as_click(option)
        clash = flags.intersection(plain.opts)
        found.append(as_click(option, f"{analysis.name}-") if clash else plain)
    return found


def _data_options(function: Any) -> Any:
    function.__click_params__ = [*getattr(function, "__click_params__", []), *map(as_click, reversed(_DATA))]
    return function


@click.command(cls=AnalyzeCommand)
@checkpoint_argument
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_data_options
@click.option(
    "--opt", multiple=True, metavar="K=V", help="An option of the analyses; with one NAME, also as a flag."
)
@click.option(
    "--width", type=click.IntRange(20, 1000), metavar="N", help="Cells across  [default: the terminal's]"
)
@click.option(
    "--height",
    type=click.IntRange(8, 1000),
    metavar="N",
    help="Rows of a page  [default: what all panels need]",
)
@click.option("--glyphs", type=click.Choice(["braille", "block", "ascii"]), help="What to draw with.")
@export_option("Several analyses get -NAME before it. ")
@click.option("--fresh", is_flag=True, help="Compute, whatever is remembered from before.")
@common_options()
@click.pass_context
def analyze(
    ctx: click.Context,
    /,
    checkpoint: Path,
    names: tuple[str, ...],
    opt: tuple[str, ...],
    width: int | None,
    height: int | None,
    glyphs: str | None,
    exports: tuple[Path, ...],
    fresh: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Run analyses of a checkpoint on fresh trajectories, or on those of a file, and draw them.

    Without NAME, all of them. With one, its own options are flags too: `spivae analyze sbm latents --help`.
    What was computed before is shown at once (see `spivae cache`). Of several, one that cannot answer is told
    on stderr, with the exit code of its error, and the others are shown.

    --json: {checkpoint, process, data {option: value}, trajectories, exported [path], analyses [{name, title,
    options, scalars, arrays}]}.
    """
    from spivae.analysis import parse_options
    from spivae.exporting import About, export
    from spivae.worker import results
    from spivae.worker.memory import ask
    from spivae.worker.session import Session

    plugins: Plugins = ctx.obj
    chosen = [plugins.analysis(name) for name in dict.fromkeys(names)] or list(plugins.analyses.values())
    options = share_out(assignments(opt, "--opt"), chosen)
    if len(chosen) == 1:
        declared = declared_options(chosen[0].options)
        options[chosen[0].name] |= given(declared, flags, f"{chosen[0].name}-") | _own(declared, flags)
    data = parse_options(DataOptions, given(_DATA, flags))
    parsed = {item.name: parse_options(item.options, options[item.name]) for item in chosen}
    targets = _targets(exports, chosen, plugins.exporters)

    kept = results.of_user(lambda text: note(f"warning: {text}"))
    session = Session(plugins, results=kept)
    found: list[tuple[Analysis, Answer]] = []
    failed: dict[str, SpivaeError | MemoryError] = {}
    with progress_bar() as progress:
        for item in chosen:
            try:
                answer = session.analyze(
                    checkpoint, item.name, vars(parsed[item.name]), vars(data), progress, fresh=fresh
                )
            except (SpivaeError, MemoryError) as error:  # told with the others' answers, where there are any
                failed[item.name] = error
                continue
            found.append((item, answer))
    first = next(iter(failed.values()), None)
    if first is not None and not found:
        raise first
    for name, reason in failed.items():
        note(f"error: {name}: {told(reason)}")
    code = 0 if first is None else describe(first)[1]
    exported = [
        export(
            path,
            answer.figure,
            answer.result,
            About.of(item, parsed[item.name], data, checkpoint),
            plugins.exporters,
        )
        for item, answer in found
        for path in targets[item.name]
    ]
    if as_json:
        emit_json(
            {
                "checkpoint": str(checkpoint),
                "process": found[0][1].process,
                "data": vars(data),
                "trajectories": max((answer.trajectories or 0 for _, answer in found), default=0),
                "exported": [str(path) for path in exported],
                "analyses": [
                    {"name": item.name, "title": item.title, "options": vars(parsed[item.name])}
                    | answer.result.to_json()
                    for item, answer in found
                ],
            }
        )
        return code
    if exported:
        for path in exported:
            emit(str(path))
        return code
    draw_figures([answer.figure for _, answer in found], width, height, glyphs)
    broken = any(info.status == "error" for info in plugins.infos)  # is told of each time
    if kept is not None and not (fresh or broken or failed):
        questions = [
            ask(plugins, checkpoint, item.name, vars(parsed[item.name]), vars(data)) for item in chosen
        ]
        note_down(ctx.meta[_TYPED], questions, session.memory, kept, Drawing(width, height, glyphs))
    return code


def _own(declared: Sequence[Any], flags: dict[str, Any]) -> dict[str, object]:
    """The analysis's flags that bear their plain names; those are never shared with the data's."""
    data = {option.name for option in _DATA}
    return given([option for option in declared if option.name not in data], flags)


def _targets(
    exports: Sequence[Path], chosen: Sequence[Analysis], exporters: Mapping[str, Exporter]
) -> dict[str, list[Path]]:
    """The files that each analysis is written to. Raises SpivaeError for one that cannot be."""
    from spivae.exporting import check, of_several

    paths = list(dict.fromkeys(exports))
    if len(chosen) == 1:
        return {chosen[0].name: [check(path, exporters) for path in paths]}
    return {item.name: [check(of_several(path, item.name), exporters) for path in paths] for item in chosen}

"""`python -m sweep.evaluate`: score any encoder on benchmarks, without training."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sweep.commands.command_line import arguments, config_dir_of, console, options_text, run
from sweep.errors import InputError, SweepError
from sweep.records.caching import usable_cache
from sweep.records.faiss_packages import check_one_faiss
from sweep.report.narrow import Column, print_line, print_table
from sweep.report.plain_console import PlainConsole, say
from sweep.settings import EvaluateSettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.tree import group_options

if TYPE_CHECKING:
    from accelerate import Accelerator

    from sweep.evaluation.language_removal import RemovalPlan
    from sweep.evaluation.measures import Measure
    from sweep.evaluation.outcome import Evaluation, Outcome
    from sweep.evaluation.ranking import Ranking
    from sweep.model.encoder import Retriever

LEAST = 12  # characters of a heading, and of a language's name before figures are left out for it

EXAMPLES = """examples:
  python -m sweep.evaluate model=me5_small evaluation=xquad_r
  python -m sweep.evaluate model=hf model.path=FOLDER evaluation=xquad_r evaluation.path=FOLDER \\
      'languages.evaluate=[en,de,th]' output=metrics.json
  python -m sweep.evaluate model=hf model.path=FOLDER evaluation=miracl 'languages.evaluate=[sw,te]'
  python -m sweep.evaluate model=hf model.path=FOLDER evaluation=beir evaluation.path=FOLDER evaluation.name=mine
  python -m sweep.evaluate model=me5_small evaluation=xquad_r +evaluation@benchmarks.mlqa_r=mlqa_r output=both.json

Repeat a command that was interrupted: embeddings that are finished are kept in the cache."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for bad input."""
    given = list(sys.argv[1:] if argv is None else argv)
    known = group_options(config_dir_of(given))
    groups = {name: choices for name, choices in known.items() if name in ("model", "evaluation", "languages")}
    parser = arguments(
        "python -m sweep.evaluate",
        "Score an encoder on a benchmark: retrieval within, across and over all languages, and its alignment.",
        f"config groups (group=choice):\n{options_text(groups)}\n\n{EXAMPLES}",
    )
    parser.add_argument("--list-metrics", action="store_true", help="describe every metric and stop")
    parser.add_argument("--markdown", action="store_true", help="with --list-metrics: as docs/metrics.md has them")
    options = parser.parse_intermixed_args(given)

    def command() -> int:
        if options.list_metrics:
            _list_metrics(options.markdown)
            return 0
        if options.markdown:
            raise InputError("--markdown goes with --list-metrics")
        composer = Composer("evaluate", options.overrides, options.config_dir)
        if options.cfg:
            print(composer.yaml(), end="")
            return 0
        return _evaluate(load_evaluate_settings(composer))

    return run(command, options.traceback)


def _list_metrics(as_markdown: bool) -> None:
    from sweep.evaluation.catalogue import descriptions, markdown

    if as_markdown:
        print(markdown(), end="")
        return
    table = Table(
        title="Keys: benchmark/family/metric[/language, pair or tier]", title_justify="left", show_lines=True
    )
    for column, width in (("metric", 22), ("families", 14), ("better", 10), ("range", 16), ("what it is", None)):
        table.add_column(column, overflow="fold", max_width=width)
    for one in descriptions():
        more = [f"{field}: {one.fields[field]}" for field in ("Formula", "Source", "Pitfall")]
        about = "\n".join([one.summary, *more])
        cells = one.fields["Better"], one.fields["Range"], about
        table.add_row(", ".join(one.metrics), ", ".join(one.families), *cells)
    console().print(table)


def _evaluate(settings: EvaluateSettings) -> int:
    if not settings.model.pretrained:
        raise InputError(
            f"model={settings.model.kind} has no weights before it is trained; choose model=hf model.path=FOLDER"
        )
    output = Path(settings.output) if settings.output is not None else None
    if output is not None and (output.is_dir() or not output.resolve().parent.is_dir()):
        raise InputError(f"output={output}: must be a file in a folder that exists")
    check_one_faiss()
    cache = usable_cache(settings.paths)
    threads = settings.threads or os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads leave the cores to others

    import torch  # after the settings are known to be right, and after the number of threads is set

    from sweep.data.load import load_benchmarks
    from sweep.evaluation.measures import measures_of
    from sweep.evaluation.outcome import Outcome
    from sweep.model.registry import build_retriever
    from sweep.model.resolution import model_lines, resolved
    from sweep.trial.pipeline import make_accelerator

    torch.set_num_threads(threads)
    asked, settings = settings, resolved(settings)
    measures = measures_of(settings, load_benchmarks(settings), ())
    plans = [one.removals(one.settings.debias) for one in measures]
    accelerator = make_accelerator()
    retriever = build_retriever(settings.model, (), cache, seed=0)
    for line in model_lines(asked.model):
        console().print(line, markup=False, highlight=False, soft_wrap=True)
    evaluations = {}
    for measure, removals in zip(measures, plans, strict=True):
        evaluation = _scored(retriever, measure, removals, accelerator, cache / "embeddings")
        if evaluation is not None:
            evaluations[measure.name] = evaluation
    if evaluations and output is not None:
        _write(Outcome(measures[0].name, evaluations), output)
    for measure in measures:
        if measure.name in evaluations:
            _print(evaluations[measure.name], measure)
    return 0


def _scored(
    retriever: "Retriever",
    measure: "Measure",
    removals: "RemovalPlan | None",
    accelerator: "Accelerator",
    folder: Path,
) -> "Evaluation | None":
    """The evaluation on one benchmark, under a bar of its texts; None on all ranks but the first."""
    from sweep.evaluation.scoring import evaluate

    benchmark = measure.benchmark
    with _bar() as bar:
        shown = accelerator.is_main_process
        task = bar.add_task(f"texts of {measure.name}", total=None, visible=shown)
        return evaluate(
            retriever,
            benchmark,
            measure.settings,
            measure.tiers,
            accelerator,
            folder,
            lambda done, size: bar.update(task, completed=done, total=size),
            removals=removals,
        )


def _bar() -> Progress:
    """Encoding takes most of the time; the bar goes when it is done."""
    columns = (TextColumn("encoding {task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    terminal = PlainConsole(stderr=True)
    return Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal)


def _write(measured: "Outcome", output: Path) -> None:
    """The metrics of all benchmarks, and beside them the intervals and the ranks."""
    details, ranks = output.with_suffix(".evaluation.json"), output.with_suffix(".ranks.parquet")
    try:
        measured.write(output, details, ranks)
    except OSError as error:
        raise SweepError(f"output={output}: cannot be written ({error.strerror})") from error
    files = ", ".join(map(str, measured.rank_files(ranks).values()))
    say(f"All {len(measured.metrics)} metrics: {output}; intervals: {details}; ranks: {files}")


def _print(evaluation: "Evaluation", measure: "Measure") -> None:
    """Print the table by language and tier, with intervals of the means over all languages."""
    from sweep.data.english import with_name
    from sweep.evaluation.columns import EVALUATION, columns_for
    from sweep.evaluation.parts import BY_MODEL, RESOURCES, label_of
    from sweep.evaluation.script_groups import SCRIPT_GROUPS

    out = console()
    ranking, evaluated = evaluation.ranking, evaluation.evaluated
    columns = [
        column
        for column in columns_for(EVALUATION, ranking.protocol == "parallel")
        if str(column.key(ranking.benchmark)) in evaluated.metrics
    ]
    questions, passages = len(measure.benchmark.questions), len(measure.benchmark.passages)
    digits = [column.digits for column in columns]
    parts = ("", *RESOURCES, *BY_MODEL, *SCRIPT_GROUPS, *_pairs_alone(ranking))
    names = dict.fromkeys(parts) | dict.fromkeys(ranking.languages, True)
    rows: list[list[str]] = []
    ends: set[int] = set()
    for name, is_language in names.items():
        keys = [str(column.key(ranking.benchmark).of(name)) for column in columns]
        figures = [evaluated.metrics.get(key) for key in keys]
        if any(figure is not None for figure in figures):
            label = with_name(name) if is_language else label_of(name)
            rows.append([label, *map(_figure, figures, digits)])
        if name == "":
            intervals = [evaluated.intervals.get(key, (None, None)) for key in keys]
            for end, label in enumerate(("  95 % from", "  to")):
                rows.append([label, *map(_figure, (interval[end] for interval in intervals), digits)])
            ends.add(len(rows) - 1)
    for method, other in evaluation.debiased.items():
        keys = [str(column.key(ranking.benchmark)) for column in columns]
        rows.append([f"all +{method}", *map(_figure, map(other.evaluation.evaluated.metrics.get, keys), digits)])
    labels, *figures_of = zip(*rows, strict=True)
    drawn = [Column("languages", labels, justify="left", least=LEAST)]
    drawn += [
        Column("\n".join(wrap(column.title, LEAST)), texts, rank)
        for rank, (column, texts) in enumerate(zip(columns, figures_of, strict=True))
    ]
    title = f"{ranking.benchmark}: {questions:,} questions, {passages:,} candidates"
    print_table(out, drawn, title, ends, rest="output=FILE.json writes all metrics")
    for note in (*measure.benchmark.notes, *evaluation.notes()):
        print_line(out, note)


def _pairs_alone(ranking: "Ranking") -> list[str]:
    """The pairs of languages that have questions and no passages, whose figures no row of a language shows."""
    names = dict(zip(ranking.languages, ranking.pool_size_l.tolist(), strict=True))
    return [f"{one}-{other}" for one, size in names.items() if not size for other in names]


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"

"""`python -m sweep.evaluate`: score any encoder on a benchmark, without training."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from sweep.command_line import arguments, console, options_text, run
from sweep.config import Composer, group_options, load_evaluate_settings
from sweep.errors import InputError, SweepError
from sweep.settings import EvaluateSettings, TinyModel

if TYPE_CHECKING:
    from sweep.data.benchmark import Benchmark
    from sweep.evaluation.evaluate import Metrics

EXAMPLES = """examples:
  python -m sweep.evaluate model=hf model.path=intfloat/multilingual-e5-small evaluation=xquad_r
  python -m sweep.evaluate model=hf model.path=FOLDER evaluation=xquad_r evaluation.path=FOLDER \\
      'languages.evaluate=[en,de,th]' output=metrics.json
  python -m sweep.evaluate model=hf model.path=FOLDER evaluation=mlqa_r evaluation.context=true"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 for bad input."""
    groups = {
        name: choices for name, choices in group_options().items() if name in ("model", "evaluation", "languages")
    }
    parser = arguments(
        "python -m sweep.evaluate",
        "Score an encoder on a benchmark: retrieval within, across and over all languages, and its alignment.",
        f"config groups (group=choice):\n{options_text(groups)}\n\n{EXAMPLES}",
    )
    options = parser.parse_intermixed_args(argv)

    def command() -> int:
        composer = Composer("evaluate", options.overrides, options.config_dir)
        if options.cfg:
            print(composer.yaml(), end="")
            return 0
        return _evaluate(load_evaluate_settings(composer))

    return run(command, options.traceback)


def _evaluate(settings: EvaluateSettings) -> int:
    if isinstance(settings.model, TinyModel):
        raise InputError("model=tiny has no weights before it is trained; choose model=hf model.path=FOLDER")
    output = Path(settings.output) if settings.output is not None else None
    if output is not None and (output.is_dir() or not output.resolve().parent.is_dir()):
        raise InputError(f"output={output}: must be a file in a folder that exists")
    threads = settings.threads or os.cpu_count() or 1
    os.environ["OMP_NUM_THREADS"] = str(threads)

    import torch  # after the settings are known to be right, and after the number of threads is set

    from sweep.data.load import benchmark_tiers, load_benchmark
    from sweep.evaluation.evaluate import evaluate
    from sweep.model.build import load_pretrained
    from sweep.trial import make_accelerator

    torch.set_num_threads(threads)
    benchmark = load_benchmark(settings)
    accelerator = make_accelerator()
    metrics = evaluate(load_pretrained(settings.model), benchmark, benchmark_tiers(settings), (), accelerator)
    if accelerator.is_main_process:
        _tell(benchmark, metrics)
        if output is not None:
            _write(metrics, output)
    return 0


def _write(metrics: "Metrics", output: Path) -> None:
    try:
        output.write_text(json.dumps(metrics, indent=1) + "\n")
    except OSError as error:
        raise SweepError(f"output={output}: cannot be written ({error.strerror})") from error
    print(f"All {len(metrics)} metrics: {output}")


def _tell(benchmark: "Benchmark", metrics: "Metrics") -> None:
    """Print the table by language and tier."""
    out = console()
    families = {
        "mono mAP": "mono/map",
        "cross mAP": "cross/map",
        "pooled mAP": "pooled/map",
        "alignment": "pooled/alignment_consistency",
        "rank distance": "pooled/rank_distance",
        "own-language pref.": "pooled/language_preference",
        "same language@1": "pooled/same_language@1",
    }
    table = Table(
        title=f"{benchmark.name}: {len(benchmark.questions)} questions, {len(benchmark.passages)} candidates",
        title_justify="left",
    )
    table.add_column("languages")
    for column in families:
        table.add_column(column, justify="right", overflow="fold")
    for name in ("", "high", "mid", "low", *benchmark.languages):
        suffix = f"/{name}" if name else ""
        values = [metrics.get(f"{benchmark.name}/{metric}{suffix}") for metric in families.values()]
        if any(value is not None for value in values):
            table.add_row(name or "all", *("–" if value is None else f"{value:.4f}" for value in values))
    out.print(table)
    left_out = int(
        sum(metrics.get(f"{benchmark.name}/{family}/left_out", 0) for family in ("mono", "cross", "pooled"))
    )
    if left_out:
        out.print(f"Left out, having no relevant passage in the pool: {left_out} questions over all pools.")


if __name__ == "__main__":
    sys.exit(main())

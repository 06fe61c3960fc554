"""`python -m sweep`: compose the configuration, check it, run or resume the study."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.commands.command_line import Output, arguments, config_dir_of, console, options_text, run
from sweep.errors import InputError
from sweep.launch.importing import without_collector
from sweep.launch.interruption import Interruption
from sweep.records.faiss_packages import check_one_faiss
from sweep.report.text import this_python
from sweep.settings.compose import Composer
from sweep.settings.joined import joins, machine_settings
from sweep.settings.load import load_settings
from sweep.settings.search import check_space
from sweep.settings.tree import config_folder, group_options

EXAMPLES = """examples:
  python -m sweep +experiment=ratio_grid
      5 ratios x 5 seeds on embedded data, from scratch: no download, minutes on a laptop
  python -m sweep +experiment=ratio_grid study.name=fine 'study.space={ratio.monolingual: {grid: [0.4, 0.5, 0.6]}}'
      the same with a grid of your own; repeating a command resumes its study
  python -m sweep +experiment=reference model=me5_small train.steps=500
      a pretrained encoder, trained on MLQA-R, evaluated zero-shot on XQuAD-R

Any key of the composed configuration can be set (--cfg job prints it)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 target reached, 1 trials failed or the study could not go on, 2 bad input, 130 interrupted."""
    given = list(sys.argv[1:] if argv is None else argv)
    config_dir = config_dir_of(given)
    groups = group_options(config_dir)
    experiments = "\n".join(f"  {name:<14}{_purpose(name, config_dir)}" for name in groups["experiment"])
    epilog = (
        f"experiments (+experiment=NAME):\n{experiments}\n\n"
        f"config groups (group=choice):\n{options_text(groups, hidden=['experiment', 'corpus'])}\n\n{EXAMPLES}"
    )
    parser = arguments(
        "python -m sweep",
        "Find the ratio of monolingual to cross-lingual training batches that keeps retrieval aligned across "
        "languages.",
        epilog,
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--progress",
        choices=["auto", "live", "plain", "json", "none"],
        default="auto",
        help="a live table, plain lines, JSON lines on stdout (all else on stderr), or nothing; auto: a live table "
        "on a terminal, plain lines elsewhere",
    )
    how.add_argument("--quiet", action="store_true", help="print the answer at the end, and errors, and nothing else")
    options = parser.parse_intermixed_args(given)

    return run(lambda: _run(options, given), options.traceback)


def _run(options: argparse.Namespace, given: Sequence[str]) -> int:
    """Run a study, or join one."""
    composer = Composer("sweep", options.overrides, options.config_dir)
    if options.cfg:
        print(composer.yaml(), end="")
        return 0
    joining = joins(composer.overrides)
    if joining:
        settings = machine_settings(composer)
    else:
        settings = load_settings(composer)
        check_space(composer, settings)
        if settings.launcher.kind == "join":
            raise InputError("launcher=join has to stand on the command line, and in no file")
    check_one_faiss()
    # The heavy parts come after the configuration is known to be right, and a worker's beside the driver's.
    from sweep.launch.registry import warm_up

    warm_up(settings.launcher)
    with without_collector():
        from sweep.run.displays import Shown
        from sweep.run.driver import run_study
        from sweep.run.joining import join_study

    events = console(works=True) if options.progress == "json" else None
    shown = Shown(
        console(works=True) if events is None else Output(works=True, stderr=True),
        "quiet" if options.quiet else options.progress,
        events,
    )
    work = join_study if joining else run_study
    with Interruption():  # SIGTERM, too: the first process of a container would not heed it
        return work(settings, composer, shown, f"{this_python()} -m sweep {shlex.join(given)}")


def _purpose(experiment: str, config_dir: str | None) -> str:
    """The first sentence of an experiment file's comment."""
    folders = [config_folder(), *([Path(config_dir)] if config_dir else [])]
    files = [folder / "experiment" / f"{experiment}.yaml" for folder in folders]
    lines = next(file for file in files if file.is_file()).read_text(errors="replace").splitlines()
    comment = " ".join(line.removeprefix("#").strip() for line in lines[1:4] if line.startswith("#"))
    return comment.split(": ")[0].split(". ")[0]

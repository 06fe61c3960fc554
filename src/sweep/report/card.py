"""The model card of an exported retriever: what it was trained on, how, and what it scored."""

from collections.abc import Sequence
from typing import Any

from sweep.data.english import with_name
from sweep.evaluation.columns import CARD
from sweep.evaluation.summarise import Evaluated
from sweep.records.data_record import ROLES, DataRecord
from sweep.settings import Settings
from sweep.settings.merging import MERGE
from sweep.settings.wording import written
from sweep.study.point import grid_points


def model_card(
    settings: Settings,
    key: str,
    evaluated: Evaluated,
    commit: str | None,
    routes: Sequence[str] = (),
    data: Sequence[DataRecord] = (),
) -> str:
    """Markdown with the hub's metadata. `evaluated`: the model as it is exported; `routes`: the languages of which it
    removes what `study.export_debias` says; `data`: what it was trained and evaluated on."""
    ratio = settings.ratio
    train = settings.train
    languages = "".join(f"\n- {code}" for code in settings.languages.train)
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
language:{languages}
---

# {settings.study.name}: {key}

A dense retriever, fine-tuned on monolingual and cross-lingual batches.

| | |
|---|---|
| model before training | {settings.model.title} |
| training data | {settings.data.title}, {len(settings.languages.train)} languages |
| languages | {", ".join(map(with_name, settings.languages.train))} |
{_mix(settings)}
| languages drawn | {ratio.language_sampling}, cross-lingual batches: {ratio.cross_batch} |
| training | {train.steps} steps of {train.batch_size}, learning rate {train.learning_rate:g}, seed {settings.seed} |
| loss | {_loss(settings)} |
| pooling | {settings.model.pooling}{_head(settings)}, L2-normalised |
| prompts | query `{settings.model.query_prefix}`, passage `{settings.model.passage_prefix}` |
| commit | {commit or "unknown"} |
{_data(data)}
{_chosen(settings)}
{_removal(settings, routes)}
{_evaluations(settings, evaluated)}
"""


def _mix(settings: Settings) -> str:
    """How monolingual and cross-lingual training were mixed, as a row."""
    ratio = settings.ratio
    if ratio.mix == MERGE:
        monolingual, cross = f"{ratio.monolingual:g}", f"{1 - ratio.monolingual:g}"
        return (
            f"| weights | {monolingual} of a model of monolingual batches, {cross} of one of cross-lingual batches |"
        )
    share = f"{ratio.monolingual:g}"
    if ratio.monolingual_end is not None:
        share += f" to {ratio.monolingual_end:g} ({ratio.schedule})"
    return f"| probability of a monolingual batch | {share} |"


def _loss(settings: Settings) -> str:
    """The loss's name, and what it is set to: "translation, weight 0.5"."""
    values = settings.loss.plain()
    kind = str(values.pop("kind"))
    return ", ".join([kind, *(f"{name} {_shown(value)}" for name, value in values.items() if value is not None)])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else written(value)


def _evaluations(settings: Settings, evaluated: Evaluated) -> str:
    """A table for the first benchmark, and for each further one that there are figures of."""
    half = settings.study.selects_on_half
    of_half = ", on the half of its questions that nothing was chosen by" if half else ""
    tables = []
    for one in settings.evaluations:
        figures = _figures(evaluated, f"{one.name}+report" if half else one.name)
        if figures or one is settings.evaluation:
            tables.append(f"""Evaluation on {one.name}, no part of the training data{of_half}; 95 % intervals over
questions, for this seed alone:

| metric | figure | from | to |
|---|---|---|---|
{figures}""")
    return "\n\n".join(tables)


def _data(records: Sequence[DataRecord]) -> str:
    """A row for each: what it holds, and the digest that tells it apart from any other."""
    return "".join(
        f"| {ROLES[record.role]} | {record.name}: {record.size}; SHA-256 `{record.digest}` |\n" for record in records
    )


def _head(settings: Settings) -> str:
    """That layers come behind the pooling, if they do."""
    model = settings.model
    return ", then the model's own layers" if model.kind == "hf" and model.head == "folder" else ""


def _removal(settings: Settings, routes: Sequence[str]) -> str:
    """How a text's language is removed from its embedding, and which languages can be given."""
    if not routes:
        return ""
    return f"""
The language of a text is removed from its embedding ({settings.study.export_debias}, estimated from training
passages), so it must be given: `model.encode(questions, prompt_name="query", task="{routes[0]}")`, and with
`prompt_name="document"` for passages. Languages: {" ".join(routes)}; those that were not trained on are left as they
are.
"""


def _chosen(settings: Settings) -> str:
    """How the model came to be this one."""
    study = settings.study
    metrics = ", ".join(f"{study.selected(goal.metric)} ({goal.direction})" for goal in study.objectives)
    if study.export != "best":
        return "The models of all trials of its study were kept: this one was not chosen."
    among = f"{len(grid_points(study)) // len(study.seeds)}" if study.is_grid else f"{study.points}"
    confirmed = ""
    if study.confirm is not None and study.further_seeds:
        confirmed = f", and among the best {study.confirm.points} of them by that over {len(study.confirmed_seeds)}"
    return (
        f"Chosen among {among} points, each with {len(study.seeds)} seeds, by the mean over seeds of "
        f"{metrics}{confirmed}. This is one trial of that point, not the best trial. The best of several figures is "
        "too high for having been chosen: the end of the study prints the cross-fitted one, and which points may be "
        "the best."
    )


def _figures(evaluated: Evaluated, benchmark: str) -> str:
    rows = []
    for column in CARD:
        key, digits = str(column.key(benchmark)), column.digits
        if key in evaluated.metrics:
            low, high = evaluated.intervals[key]
            figures = (f"{value:.{digits}f}" for value in (evaluated.metrics[key], low, high))
            rows.append(f"| {' | '.join([column.title, *figures])} |")
    return "\n".join(rows)

"""A study's trials, metrics and ranks as pandas frames."""

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from sweep.errors import InputError
from sweep.evaluation.families import FAMILIES
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.ranking import FAR, PAD
from sweep.records.current_table import current_table
from sweep.records.folder import StudyFolder
from sweep.records.table import FIRST, LAST, read_metrics
from sweep.records.trial_record import TrialRecord
from sweep.settings.metric_key import MetricKey
from sweep.settings.wording import excerpt, suggestion

if TYPE_CHECKING:
    import pandas as pd

BLOCK_BYTES = 1 << 22  # of text that is parsed at once; a row has some 60 kB


def trials_frame(records: Sequence[TrialRecord]) -> "pd.DataFrame":
    """A row a trial, in the order of `records`.

    Columns: `key`, `number`, `state` (WAITING, RUNNING, COMPLETE, PRUNED or FAILED), `seed`, a column for each
    searched path (missing where a point does not have it), `objective` (of several also `objective_2`, `objective_3`;
    NaN until the trial is COMPLETE), `duration_s` (seconds of the last attempt), `attempts`, and `reason`.
    """
    import pandas as pd

    paths = sorted({path for record in records for path in record.parameters})
    objectives = max([1, *(len(record.values) for record in records)])
    columns: dict[str, list[object]] = {
        "key": [record.key for record in records],
        "number": [record.number for record in records],
        "state": [record.state for record in records],
        "seed": [record.seed for record in records],
        **{path: [record.parameters.get(path) for record in records] for path in paths},
    }
    for place in range(objectives):
        name = "objective" if place == 0 else f"objective_{place + 1}"
        columns[name] = [record.values[place] if record.values else np.nan for record in records]
    columns |= {
        "duration_s": [np.nan if record.duration_s is None else record.duration_s for record in records],
        "attempts": [record.attempts for record in records],
        "reason": [record.reason or "" for record in records],
    }
    return pd.DataFrame(columns)


def metrics_frame(folder: StudyFolder, records: Sequence[TrialRecord]) -> "pd.DataFrame":
    """A row for each metric of each finished trial: `trial` (its key), the parts of the metric's key `benchmark`,
    `family`, `metric` and `part` (empty for the mean over all languages or pairs), and `value`.

    A row a figure, since a study with 14 languages has 2,600 of them and what one picks is nearly always a family, a
    metric or a language; `frame.pivot(index="trial", columns="part", values="value")` makes columns of those that are
    left. Texts are categories, so that a row takes some 20 bytes; 10,000 trials have 26 million of them, of which
    `OpenedStudy.values` reads a few columns.
    """
    import pandas as pd

    keys, names, value_tm = _all_metrics(folder, records)
    trial_n, metric_n = np.nonzero(~np.isnan(value_tm))
    parts = [MetricKey.parse(name) for name in names]

    def column(part: str) -> "pd.Categorical":
        texts = [str(getattr(key, part)) for key in parts]
        codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
        code_m = np.array([codes[text] for text in texts], np.int32)
        return pd.Categorical.from_codes(code_m[metric_n], categories=list(codes))

    columns = {"trial": pd.Categorical.from_codes(trial_n, categories=keys)}
    columns |= {part: column(part) for part in ("benchmark", "family", "metric", "part")}
    return pd.DataFrame({**columns, "value": value_tm[trial_n, metric_n]})


def _all_metrics(
    folder: StudyFolder, records: Sequence[TrialRecord]
) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Keys of the finished trials (t), names of their metrics (m), and the values (t, m); NaN: a trial has none."""
    wanted = {record.key for record in records if record.state in ("COMPLETE", "PRUNED")}
    if not wanted:
        return [], [], np.zeros((0, 0))
    paths = {path for record in records for path in record.parameters}
    with current_table(folder, records) as table:
        with table.open(encoding="utf-8", newline="") as lines:
            header = next(csv.reader(lines))
        names = [name for name in header if name not in {*FIRST, *LAST, *paths}]
        options = arrow_csv.ConvertOptions(
            include_columns=["key", *names],
            column_types={"key": pa.string(), **dict.fromkeys(names, pa.float64())},
            null_values=[""],
        )
        read = arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False)
        content = arrow_csv.read_csv(table, read_options=read, convert_options=options)
    keys = content["key"].to_pylist()
    kept = [place for place, key in enumerate(keys) if key in wanted]
    value_tm = np.column_stack([content[name].to_numpy()[kept] for name in names]) if names else np.zeros((0, 0))
    return [keys[place] for place in kept], names, value_tm.astype(np.float64)


def values_frame(
    folder: StudyFolder, records: Sequence[TrialRecord], benchmark: str, metrics: Sequence[str]
) -> "pd.DataFrame":
    """A row a finished trial: `trial` (its key), and a column for each of the metrics, named as they are given; NaN
    where a trial does not have one. `benchmark`: of metrics without one.

    Raises InputError for a metric that no trial has.
    """
    import pandas as pd

    finished = [record.key for record in records if record.state in ("COMPLETE", "PRUNED")]
    full = {name: name if _has_benchmark(name) else str(MetricKey.within(benchmark, name)) for name in metrics}
    with current_table(folder, records) as table:
        values = read_metrics(table, full.values()) if finished else {}
        for key in full.values():
            if finished and not any(key in of_trial for of_trial in values.values()):
                with table.open(encoding="utf-8", newline="") as lines:
                    known = next(csv.reader(lines))
                raise InputError(f"no trial has the metric '{excerpt(key)}'{suggestion(key, known)}")
    columns = {name: [values.get(trial, {}).get(key, np.nan) for trial in finished] for name, key in full.items()}
    return pd.DataFrame({"trial": finished, **columns})


def _has_benchmark(name: str) -> bool:
    return name.partition("/")[0] not in FAMILIES


def ranks_frame(folder: StudyFolder, key: str, benchmark: str) -> "pd.DataFrame":
    """The ranks of a trial, or of what needs no training ("untouched", "lir").

    A row for each question and each of its relevant passages: `group` (translation group), `question_language`,
    `passage_language`, `grade` (how relevant, 1 or more), `own_rank` (from 1, among the passages in the language of
    that passage) and, where languages are ranked together, `pooled_rank` (among all). A rank is missing where a
    search to some depth did not come to the passage.

    Raises InputError if there are no such ranks, or if their file is damaged.
    """
    import pandas as pd

    baselines = folder.baselines()
    results = baselines[key] if key in baselines else folder.trial(key)
    file = results.ranks_of(benchmark)
    if not file.exists():
        raise InputError(f"{folder.path.name} has no ranks of '{excerpt(key)}': no such trial, or it is not finished")
    ranking, _ = read_ranking(file)
    if ranking.benchmark != benchmark:
        raise InputError(f"'{excerpt(key)}' has ranks on {ranking.benchmark}, none on '{excerpt(benchmark)}'")
    question_n, place_n = np.nonzero(ranking.own_qr != PAD)
    languages = list(ranking.languages)
    columns = {
        "group": pd.Categorical.from_codes(ranking.group_q[question_n], categories=list(ranking.groups)),
        "question_language": pd.Categorical.from_codes(ranking.language_q[question_n], categories=languages),
        "passage_language": pd.Categorical.from_codes(
            ranking.relevant_language_qr[question_n, place_n], categories=languages
        ),
        "grade": ranking.grade_qr[question_n, place_n],
    }
    ranks = {"own_rank": ranking.own_qr}
    if ranking.pooled is not None:
        ranks["pooled_rank"] = ranking.pooled.rank_qr
    for name, rank_qr in ranks.items():
        rank_n = pd.Series(rank_qr[question_n, place_n], dtype="Int32")
        columns[name] = rank_n.mask(rank_n == FAR)
    return pd.DataFrame(columns)

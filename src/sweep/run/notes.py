"""What a reader should know of a study's data, found once and kept in its folder."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256

from sweep.data.benchmark import Benchmark
from sweep.data.described import data_records
from sweep.data.leakage import near_copies
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.records.data_record import DataRecord, changed_data, read_records, write_records
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.cache import cache_folder
from sweep.training.draw import Kind
from sweep.training.units import units_of

SHOWN = 8  # languages or pairs in a line
KINDS: dict[Kind, str] = {"monolingual": "languages", "cross-lingual": "ordered pairs"}
UNKNOWN_DATA = (
    "Which data this study was begun with is not known, since an earlier version began it. Those of now are recorded."
)


@dataclass(frozen=True)
class StudyNotes:
    """Lines for a reader: `copies` on near copies, with the fingerprint of the settings that they hold for, and
    `remarks` on the data, which are those of `data`."""

    fingerprint: str
    copies: tuple[str, ...]
    remarks: tuple[str, ...]
    data: tuple[DataRecord, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them."""
        return self.remarks + self.copies

    def of_study(self, folder: StudyFolder, is_new: bool) -> "StudyNotes":
        """With what is to be known of the data that the study was begun with, which are recorded if they were not.
        Raises InputError if they have changed since then."""
        then = read_records(folder.path)
        if changed := changed_data(then, self.data):
            raise InputError(
                f"study '{folder.path.name}' was begun with other data: {changed}; put the data back to resume it, "
                "or give the new study another name: study.name=NAME"
            )
        known = {(record.role, record.settings) for record in then}
        new = [record for record in self.data if (record.role, record.settings) not in known]
        if new:
            write_records(folder.path, [*then, *new])
        if then or is_new:
            return self
        return replace(self, remarks=(*self.remarks, UNKNOWN_DATA))

    def write(self, folder: StudyFolder) -> None:
        """Keep them in the study's folder."""
        kept = {"fingerprint": self.fingerprint, "copies": self.copies, "lines": self.lines}
        write_atomically(folder.notes, json.dumps(kept, indent=1))


def small_batches(settings: Settings, training: TrainingSet) -> str:
    """Which languages and pairs have too few groups to fill a batch, in one line; empty if all have enough. What is
    done about them is `ratio.few_rows`.

    Smaller batches have fewer negatives: what is put down to a language's resources may come of that. Which rows a
    batch of mixed pairs lacks depends on all of its pairs, and is counted in `exposure.csv` alone.
    """
    study, ratio = settings.study, settings.ratio
    searched = any(path == "ratio" or path.startswith("ratio.") for path in study.space)
    sizes = study.space["train.batch_size"].ends if "train.batch_size" in study.space else ()
    size = max(sizes, default=settings.train.batch_size)
    monolingual, cross_lingual = (True, True) if searched else ratio.kinds
    wanted: dict[Kind, bool] = {
        "monolingual": monolingual,
        "cross-lingual": cross_lingual and (ratio.cross_batch == "pair" or searched),
    }
    every = ratio.model_copy(update={"few_rows": "smaller"})
    listed = []
    for kind, noun in KINDS.items():
        units = units_of(training, every, size, kind).drawn if wanted[kind] else ()
        rows = sorted((unit.size, unit.name) for unit in units)
        few = [f"{name} {number}" for number, name in rows if number < size]
        if few:
            more = f", and {len(few) - SHOWN} more" if len(few) > SHOWN else ""
            listed.append(f"{len(few)} of {len(units)} {noun} ({', '.join(few[:SHOWN])}{more})")
    if not listed:
        return ""
    if ratio.few_rows == "leave_out" and not searched:
        return (
            f"Not trained on, having fewer translation groups than train.batch_size={size}: {' and '.join(listed)} "
            "(ratio.few_rows=leave_out). exposure.csv names them."
        )
    return (
        f"Batches are smaller than train.batch_size={size}, and have fewer negatives, for {' and '.join(listed)}: "
        "they have no more translation groups. exposure.csv counts these batches."
    )


def study_notes(
    settings: Settings,
    folder: StudyFolder,
    training: TrainingSet,
    benchmarks: Sequence[Benchmark],
    trained: TrainingSet,
) -> StudyNotes:
    """What the readers of the data remarked, which languages of what is `trained` on cannot fill a batch, and how
    much of each benchmark is nearly in the training data: a line each for questions and passages, if any is.

    Near copies are counted anew only if the folder has no count for these settings: it takes seconds.
    """
    of_benchmarks = [note for one in benchmarks for note in one.notes]
    remarks = (*training.notes, *of_benchmarks, *filter(None, [small_batches(settings, trained)]))
    data = data_records(settings, training, benchmarks)
    threshold = settings.study.near_copies
    parts = [part.fingerprint() for part in (settings.data, *settings.evaluations, settings.languages)]
    fingerprint = sha256(f"{threshold}{''.join(parts)}".encode()).hexdigest()
    if folder.notes.exists():
        with suppress(ValueError, LookupError, TypeError):  # damaged: counted anew
            kept = json.loads(folder.notes.read_text())
            if kept["fingerprint"] == fingerprint:
                return StudyNotes(fingerprint, tuple(kept.get("copies", kept["lines"])), remarks, data)
    if threshold is None:
        return StudyNotes(fingerprint, (), remarks, data)
    lines = (
        copies.sentence(one.name, threshold)
        for one in benchmarks
        for copies in near_copies(training, one, threshold, cache_folder(settings.paths))
    )
    return StudyNotes(fingerprint, tuple(filter(None, lines)), remarks, data)

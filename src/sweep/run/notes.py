"""What a reader should know of a study's data, found once and kept in its folder."""

import json
from dataclasses import dataclass
from hashlib import sha256

from sweep.data.benchmark import Benchmark
from sweep.data.leakage import near_copies
from sweep.data.training_set import TrainingSet
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.settings import Settings


@dataclass(frozen=True)
class StudyNotes:
    """Lines for a reader: `copies` on near copies, with the fingerprint of the settings that they hold for, and
    `remarks` on the data."""

    fingerprint: str
    copies: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them."""
        return self.remarks + self.copies

    def write(self, folder: StudyFolder) -> None:
        """Keep them in the study's folder."""
        kept = {"fingerprint": self.fingerprint, "copies": self.copies, "lines": self.lines}
        write_atomically(folder.notes, json.dumps(kept, indent=1))


def study_notes(settings: Settings, folder: StudyFolder, training: TrainingSet, benchmark: Benchmark) -> StudyNotes:
    """What the readers of the data remarked, and how much of the benchmark is nearly in the training data: a line
    each for questions and passages, if any is.

    Near copies are counted anew only if the folder has no count for these settings: it takes seconds.
    """
    remarks = (*training.notes, *benchmark.notes)
    threshold = settings.study.near_copies
    parts = [part.fingerprint() for part in (settings.data, settings.evaluation, settings.languages)]
    fingerprint = sha256(f"{threshold}{''.join(parts)}".encode()).hexdigest()
    if folder.notes.exists():
        kept = json.loads(folder.notes.read_text())
        if kept["fingerprint"] == fingerprint:
            return StudyNotes(fingerprint, tuple(kept.get("copies", kept["lines"])), remarks)
    if threshold is None:
        return StudyNotes(fingerprint, (), remarks)
    lines = (copies.sentence(benchmark.name, threshold) for copies in near_copies(training, benchmark, threshold))
    return StudyNotes(fingerprint, tuple(filter(None, lines)), remarks)

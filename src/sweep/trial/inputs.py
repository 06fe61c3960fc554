"""What a trial trains on and is evaluated on, kept from trial to trial."""

from typing import NamedTuple

from sweep.data.benchmark import Benchmark
from sweep.data.bilingual import check_lexicon, load_lexicon
from sweep.data.described import data_records
from sweep.data.holdout import hold_out
from sweep.data.leakage import check_zero_shot
from sweep.data.load import load_benchmarks, load_training_set
from sweep.data.training_set import TrainingSet
from sweep.data.translated_words import Lexicon
from sweep.records.data_record import DataRecord
from sweep.settings import Settings
from sweep.settings.cache import cache_folder


class TrialTexts(NamedTuple):
    """What a trial trains on, what it is evaluated on (in the order of `settings.evaluations`), and what it is
    evaluated on while it trains, if it is; the records of the data that these are from; and the
    lexicon, if the study switches words."""

    training: TrainingSet
    benchmarks: tuple[Benchmark, ...]
    validation: Benchmark | None
    records: tuple[DataRecord, ...] = ()
    lexicon: Lexicon | None = None


class TrialData:
    """Training sets and benchmarks; the last ones are kept from trial to trial while their settings stay the same."""

    def __init__(self) -> None:
        self._kept: tuple[str, TrialTexts] | None = None

    def of(self, settings: Settings) -> TrialTexts:
        """The training set and the benchmarks of one point. Raises InputError."""
        parts = (settings.data, *settings.evaluations, settings.languages, settings.train.validation)
        fingerprint = "".join(part.fingerprint() for part in parts) + _lexicon_of(settings)
        if self._kept is None or self._kept[0] != fingerprint:
            training, benchmarks = load_training_set(settings), load_benchmarks(settings)
            for benchmark in benchmarks:
                check_zero_shot(training, benchmark, cache_folder(settings.paths))
            lexicon = load_lexicon(settings)
            if lexicon is not None:
                for benchmark in benchmarks:
                    check_lexicon(lexicon, benchmark)
            records = data_records(settings, training, benchmarks)
            validation = None
            if settings.train.validation.every_steps is not None:
                training, validation = hold_out(training, settings.train.validation.groups)
            self._kept = fingerprint, TrialTexts(training, benchmarks, validation, records, lexicon)
        return self._kept[1]


def _lexicon_of(settings: Settings) -> str:
    """Which lexicon a point has, whatever its probability is: all points of a search have the same."""
    switch = settings.ratio.code_switch
    has_one = switch.probability > 0 or "ratio.code_switch.probability" in settings.study.space
    return f"{switch.lexicon} {switch.texts}" if has_one else ""

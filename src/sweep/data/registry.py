"""Which reader a `kind` names. A new one: its module, its settings, and a line here."""

from sweep.data.afriqa import AfriqaBenchmark, AfriqaTraining
from sweep.data.bitext import BitextTraining
from sweep.data.cldr import CldrBenchmark, CldrTraining
from sweep.data.judged import JudgedBenchmark
from sweep.data.mix import MixTraining
from sweep.data.mr_tydi import MrTydiTraining
from sweep.data.msmarco import MsMarcoTraining
from sweep.data.next_sentences import NextSentences
from sweep.data.reader import BenchmarkReader, TrainingReader
from sweep.data.rows import RowsTraining
from sweep.data.squad import SquadBenchmark, SquadTraining
from sweep.data.topics import JudgedTraining

TRAINING: dict[str, TrainingReader] = {
    "cldr": CldrTraining(),
    "squad": SquadTraining(),
    "rows": RowsTraining(),
    "bitext": BitextTraining(),
    "msmarco": MsMarcoTraining(),
    "judged": JudgedTraining(),
    "mr_tydi": MrTydiTraining(),
    "afriqa": AfriqaTraining(),
}
TRAINING["mix"] = MixTraining(TRAINING)
BENCHMARKS: dict[str, BenchmarkReader] = {
    "cldr": CldrBenchmark(),
    "squad": SquadBenchmark(),
    "miracl": JudgedBenchmark(),
    "beir": JudgedBenchmark(),
    "lines": NextSentences(),
    "afriqa": AfriqaBenchmark(),
}

"""Frozen, typed settings of a study. Built once by `sweep.settings.compose` from the composed configuration.

Every section forbids unknown keys and checks its ranges, so nothing further down validates again.
Each section stands for one group of the config tree; a `kind` field tells swappable members of a group apart.
"""

from typing import Annotated

from pydantic import Field

from sweep.settings import identity
from sweep.settings.afriqa import AfriqaData, AfriqaEvaluation
from sweep.settings.base import (
    Language,
    LanguageSettings,
    Name,
    PathSettings,
    Positive,
    Probability,
    Section,
    Tiers,
    flattened,
)
from sweep.settings.benchmarks import Benchmarked
from sweep.settings.bitext import BitextData
from sweep.settings.cldr import CldrShape
from sweep.settings.corpus import Corpus, FilesOrigin, HttpFile, HttpOrigin, HubOrigin, HubRepository
from sweep.settings.data import CldrData, CldrRecords, SourceSettings, SquadData
from sweep.settings.documents import DocumentSplit
from sweep.settings.evaluation import (
    CldrEvaluation,
    CorpusEvaluation,
    Debias,
    Debiasing,
    JudgedEvaluation,
    LinesEvaluation,
    Protocol,
    SearchSettings,
    SquadEvaluation,
    Twins,
)
from sweep.settings.goals import Constraint, Objective
from sweep.settings.inspection import DetectionSettings, ExportSettings, InspectSettings
from sweep.settings.kinds import EvaluationSettings
from sweep.settings.launcher import (
    ClusterWorkers,
    JoinLauncher,
    LauncherSettings,
    LocalLauncher,
    LocalWorkers,
    RayLauncher,
    SlurmLauncher,
    SpawnLauncher,
)
from sweep.settings.loss import (
    ClearSettings,
    DebiasSettings,
    DistillSettings,
    InfoNceSettings,
    LossSettings,
    TranslationSettings,
)
from sweep.settings.mining import Draw, Mining, MiningSearch, NegativeLanguage
from sweep.settings.mix import DataSettings, MixData
from sweep.settings.msmarco import LANGUAGE, MsMarcoData
from sweep.settings.pretraining import Pretraining
from sweep.settings.ratio import RatioSettings
from sweep.settings.reporting import ReportSettings
from sweep.settings.rows import RowsColumns, RowsData
from sweep.settings.space import Dimension
from sweep.settings.squad import SquadReading
from sweep.settings.storage import StorageUrl
from sweep.settings.study import Confirmation, PrunerSettings, StudySettings
from sweep.settings.topics import JudgedData, MrTydiData, TopicData
from sweep.settings.tracking import JsonLinesTracking, MlflowTracking, TrackingSettings
from sweep.settings.training import (
    AUTO,
    POOLING_MODES,
    EncoderSettings,
    HfModel,
    LoraSettings,
    ModelSettings,
    TinyModel,
    TrainSettings,
    pooling_modes,
)
from sweep.settings.untrained import BASELINES, OF_A_MODEL, REMOVALS, UNTOUCHED, WITHOUT_MODEL, Baseline

__all__ = [
    "AUTO",
    "BASELINES",
    "LANGUAGE",
    "OF_A_MODEL",
    "POOLING_MODES",
    "REMOVALS",
    "UNTOUCHED",
    "WITHOUT_MODEL",
    "AfriqaData",
    "AfriqaEvaluation",
    "Baseline",
    "Benchmarked",
    "BitextData",
    "CldrData",
    "CldrEvaluation",
    "CldrRecords",
    "CldrShape",
    "ClearSettings",
    "ClusterWorkers",
    "Confirmation",
    "Constraint",
    "Corpus",
    "CorpusEvaluation",
    "DataSettings",
    "Debias",
    "DebiasSettings",
    "Debiasing",
    "DetectionSettings",
    "Dimension",
    "DistillSettings",
    "DocumentSplit",
    "Draw",
    "EncoderSettings",
    "EvaluateSettings",
    "EvaluationSettings",
    "ExportSettings",
    "FilesOrigin",
    "HfModel",
    "HttpFile",
    "HttpOrigin",
    "HubOrigin",
    "HubRepository",
    "InfoNceSettings",
    "InspectSettings",
    "JoinLauncher",
    "JsonLinesTracking",
    "JudgedData",
    "JudgedEvaluation",
    "Language",
    "LanguageSettings",
    "LauncherSettings",
    "LinesEvaluation",
    "LocalLauncher",
    "LocalWorkers",
    "LoraSettings",
    "LossSettings",
    "MineSettings",
    "Mining",
    "MiningSearch",
    "MixData",
    "MlflowTracking",
    "ModelSettings",
    "MrTydiData",
    "MsMarcoData",
    "Name",
    "NegativeLanguage",
    "Objective",
    "PathSettings",
    "Positive",
    "Pretraining",
    "Probability",
    "Protocol",
    "PrunerSettings",
    "RatioSettings",
    "RayLauncher",
    "ReportSettings",
    "RowsColumns",
    "RowsData",
    "SearchSettings",
    "Section",
    "Settings",
    "SlurmLauncher",
    "SourceSettings",
    "SpawnLauncher",
    "SquadData",
    "SquadEvaluation",
    "SquadReading",
    "StorageUrl",
    "StudySettings",
    "Tiers",
    "TinyModel",
    "TopicData",
    "TrackingSettings",
    "TrainSettings",
    "TranslationSettings",
    "Twins",
    "flattened",
    "pooling_modes",
]


class EvaluateSettings(Benchmarked):
    """Settings of `python -m sweep.evaluate`: an encoder and its benchmarks, no training."""

    paths: PathSettings
    model: ModelSettings
    output: str | None
    threads: Positive | None


class MineSettings(Section):
    """Settings of `python -m sweep.mine`: training data, an encoder, and how hard negatives are mined."""

    paths: PathSettings
    languages: LanguageSettings
    data: DataSettings
    model: ModelSettings
    mine: Mining
    output: str
    threads: Positive | None


class Settings(Benchmarked):
    """Settings of one study, or of one point of it."""

    seed: Annotated[int, Field(ge=0)]
    paths: PathSettings
    data: DataSettings
    model: ModelSettings
    ratio: RatioSettings
    train: TrainSettings
    loss: LossSettings
    study: StudySettings
    launcher: LauncherSettings
    tracking: TrackingSettings
    report: ReportSettings

    def trial_fingerprint(self) -> str:
        """SHA-256 (hex) of what a trial's result depends on; see `sweep.settings.identity`."""
        return identity.trial_fingerprint(self)

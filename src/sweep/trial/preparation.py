"""The first part of a trial: its data, its retriever, and what its study compares it with."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from sweep.errors import InputError
from sweep.evaluation.measures import Measures, measures_of
from sweep.evaluation.scoring import passage_texts, question_texts
from sweep.model.encoder import ROLES, Encoder, Retriever
from sweep.model.registry import build_retriever
from sweep.model.sharding import shard, without_weights
from sweep.model.token_cache import TokenCache
from sweep.model.vocabulary import restrict_vocabulary
from sweep.records.data_record import DataRecord, changed_data, read_records, write_records
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import StudyArtifacts
from sweep.settings import Settings
from sweep.settings.accelerate_config import accelerate_config
from sweep.settings.cache import cache_folder
from sweep.training.tokens import training_tokens
from sweep.training.watch import Watch
from sweep.trial.baselines import Baselines
from sweep.trial.checkpoint_copies import CheckpointCopies
from sweep.trial.inputs import TrialData, TrialTexts


@dataclass(frozen=True)
class Trial:
    """What a trial runs on, and where it may keep what a killed attempt can go on from."""

    settings: Settings
    key: str
    embeddings: Path  # of a large benchmark, while it is evaluated
    checkpoint: Path
    study: StudyFolder
    attempt: int = 1
    still_mine: Callable[[], bool] = lambda: True  # whether no later attempt has taken the trial over
    artifacts: StudyArtifacts | None = None  # where the study's machines share no folder
    copies: CheckpointCopies | None = None
    weights: Path | None = None  # where to keep the trained encoder's weights, if a merge of the study asks for them
    parents: tuple[str, str] | None = None  # keys of the trials whose weights a merge averages, that of α = 1 first


@dataclass(frozen=True, eq=False)
class Prepared:
    """What training and evaluation need. `retriever` is trained in place. If its weights lie in parts on the ranks,
    `empty` is what they can be put together in."""

    texts: TrialTexts
    retriever: Retriever
    tokens: TokenCache
    measures: Measures
    baselines: Baselines
    empty: Encoder | None = None


def prepare(trial: Trial, data: TrialData, accelerator: Accelerator, watch: Watch) -> Prepared:
    """Load the data and build the retriever, on all ranks. Raises InputError (data or model cannot be used)."""
    settings, on_note = trial.settings, watch.on_note
    texts = data.of(settings)
    _record_data(trial, texts.records, accelerator)
    cache = cache_folder(settings.paths)
    retriever = build_retriever(settings.model, texts.training.texts, cache, settings.seed)
    tokens = TokenCache(retriever, cache / "tokens", on_note)
    measures = measures_of(settings, texts.benchmarks, settings.languages.train)
    baselines = Baselines(settings, trial.study, measures, trial.artifacts)
    asked, empty = accelerate_config(settings), None
    if asked.use_cpu and accelerator.device.type != "cpu":
        raise InputError(
            "launcher.accelerate_config: use_cpu, but there are GPUs; hide them (CUDA_VISIBLE_DEVICES='')"
        )
    if asked.sharding is not None:  # before anything of the encoder is on a GPU, which may have no room for all of it
        retriever = _restrict(retriever, texts, settings, tokens, on_note)
        empty = without_weights(retriever.encoder)
        shard(retriever.encoder, asked.sharding, accelerator.device, accelerator.num_processes)
        on_note(f"the encoder's weights are in parts on {accelerator.num_processes} ranks")
    untrained = partial(_untrained, settings, retriever, texts, cache)
    baselines.of_model(untrained, texts.training, accelerator, tokens, watch.on_encoded)
    if asked.sharding is None:
        retriever = _restrict(retriever, texts, settings, tokens, on_note)
    return Prepared(texts, retriever, tokens, measures, baselines, empty)


def _untrained(settings: Settings, retriever: Retriever, texts: TrialTexts, cache: Path) -> Retriever:
    """The model that baselines are of: the trial's, unless that has begun with random weights of another seed than
    the study's first."""
    first = settings.study.seeds[0]
    if settings.model.pretrained or settings.seed == first:
        return retriever
    return build_retriever(settings.model, texts.training.texts, cache, first)


def _record_data(trial: Trial, records: tuple[DataRecord, ...], accelerator: Accelerator) -> None:
    """Keep which data the trial has. Raises InputError if the trial, or its study, was begun with others."""
    own = trial.study.trial(trial.key).path
    for folder, noun in ((own, "trial"), (trial.study.path, "study")):
        if changed := changed_data(read_records(folder), records):
            raise InputError(f"the data have changed since the {noun} was begun: {changed}; put them back")
    if accelerator.is_main_process and read_records(own) != records:
        write_records(own, records)


def _restrict(
    retriever: Retriever,
    texts: TrialTexts,
    settings: Settings,
    tokens: TokenCache,
    on_note: Callable[[str], None],
) -> Retriever:
    """The retriever with the word embeddings of all texts of this trial alone, if that is asked for."""
    if not settings.model.restrict_vocabulary:
        return retriever
    token_ids = [training_tokens(texts.training, role, tokens) for role in ROLES]
    for benchmark in (*texts.benchmarks, texts.validation):
        if benchmark is not None:
            token_ids.append(tokens.of(question_texts(benchmark)[0], "query"))
            token_ids.append(tokens.of(passage_texts(benchmark)[0], "passage"))
    small = restrict_vocabulary(retriever, (ids.distinct() for ids in token_ids))
    assert small.vocabulary is not None
    trained = settings.model.lora is None and not settings.train.frozen.embeddings
    saved = small.vocabulary.saved_bytes(small.encoder.hidden_size, trained)
    on_note(
        f"{'training' if trained else 'frozen,'} {len(small.vocabulary.kept):,} of {small.vocabulary.full_size:,} "
        f"word embeddings; {saved / 2**20:,.0f} MB of weights{', gradients and moments' if trained else ''} saved"
    )
    return small

"""What `auto` comes to: a pretrained model's settings as its folder says, and where the two disagree.

A setting that is given stands, and a folder that says something else is a warning. What a folder has and cannot be
represented here is refused where it would be read.
"""

from pathlib import Path
from typing import TypeVar

from sweep.errors import InputError
from sweep.model.folder_files import model_file
from sweep.model.identity import with_teacher_files
from sweep.model.lineage import pretraining_of
from sweep.model.published_layers import layer_text
from sweep.model.sentence_transformers_folder import Published, read_folder
from sweep.settings import AUTO, EvaluateSettings, HfModel, MineSettings, ModelSettings, Settings, pooling_modes

WithModel = TypeVar("WithModel", Settings, EvaluateSettings, MineSettings)
ROLES = ("query", "passage")


def resolved(settings: WithModel) -> WithModel:
    """The settings with nothing left to be read from the model's folder, or from a teacher's. Raises InputError (see
    above)."""
    if isinstance(settings, Settings):
        settings = with_teacher_files(settings)
    return settings.model_copy(update={"model": resolved_model(settings.model)})


def resolved_model(asked: ModelSettings) -> ModelSettings:
    """The same for the model alone. Nothing is read where nothing is `auto`."""
    if asked.kind == "hf" and asked.pretrained_on == AUTO:
        asked = asked.model_copy(update={"pretrained_on": pretraining_of(asked.path, asked.revision)})
    if asked.kind != "hf" or AUTO not in (asked.pooling, asked.head, asked.lower_case, *_prefixes(asked)):
        return asked
    published = read_folder(asked.path, asked.revision)
    pooling = asked.pooling if asked.pooling != AUTO else _pooling(asked, published)
    head = asked.head if asked.head == "none" else _head(asked, published, pooling)
    lower_case = published.lower_case if asked.lower_case == AUTO else asked.lower_case
    query, passage = (
        (published.prompt(role) or "") if prefix == AUTO else prefix
        for role, prefix in zip(ROLES, _prefixes(asked), strict=True)
    )
    if asked.pooling == AUTO and not published.include_prompt and (query or passage):
        raise _refusal(
            asked,
            "it leaves the prompt out of its pooling",
            "pooling",
            "give another, or empty query_prefix and passage_prefix",
        )
    return asked.model_copy(
        update={
            "pooling": pooling,
            "head": head,
            "lower_case": lower_case,
            "query_prefix": query,
            "passage_prefix": passage,
        }
    )


def _prefixes(model: HfModel) -> tuple[str, str]:
    return model.query_prefix, model.passage_prefix


def _refusal(asked: HfModel, problem: str, setting: str, way: str) -> InputError:
    return InputError(f"model.path={asked.path}: {problem}, which cannot be read as model.{setting}=auto; {way}")


def _pooling(asked: HfModel, published: Published) -> str:
    if problem := published.problems.get("pooling"):
        raise _refusal(asked, problem, "pooling", "set model.pooling to use its encoder alone")
    return published.pooling or "mean"


def _head(asked: HfModel, published: Published, pooling: str) -> str:
    """Whether there are layers behind the pooling. The pooler is one itself."""
    if pooling == "pooler" and asked.head == AUTO:
        return "none"
    if asked.pooling != AUTO and "pooling" in published.problems and asked.head == AUTO:
        return "none"
    if problem := published.problems.get("head"):
        raise _refusal(asked, problem, "head", "set model.head=none to leave it out")
    if asked.head == "folder" and not published.layers:
        raise InputError(f"model.head=folder: {asked.path} has no layers behind its pooling; set model.head=none")
    if published.layers and len(pooling_modes(pooling)) != len(pooling_modes(published.pooling or pooling)):
        raise InputError(
            f"model.pooling={pooling}: the layers behind the pooling of {asked.path} take what {published.pooling} "
            "gives; set model.head=none to leave them out"
        )
    return "folder" if published.layers else "none"


def model_lines(asked: ModelSettings) -> list[str]:
    """For a reader: what the model is, where that is from, and warnings where a setting disagrees with its folder."""
    model = resolved_model(asked)
    if asked.kind != "hf" or model.kind != "hf":
        return []
    published = read_folder(asked.path, asked.revision)
    facts = [("pooling", model.pooling, asked.pooling, published.pooling is not None)]
    if model.head == "folder":
        facts.append(("then", _layers_text(published), asked.head, True))
    if model.lower_case:
        facts.append(("lower-cased", "yes", str(asked.lower_case), published.lower_case))
    for role, prefix, wanted in zip(ROLES, _prefixes(model), _prefixes(asked), strict=True):
        facts.append((f"{role} prefix", f"'{prefix}'", wanted, published.prompt(role) is not None))
    described = (
        f"{name} {value} ({'as set' if wanted != AUTO else 'its folder' if says else 'default'})"
        for name, value, wanted, says in facts
    )
    return [
        f"Model {asked.path}: {', '.join(described)}",
        *(f"warning: {line}" for line in _warnings(asked, model, published)),
    ]


def _layers_text(published: Published) -> str:
    return ", ".join(layer_text(layer.kind, layer.config) for layer in published.layers)


def _warnings(asked: HfModel, model: HfModel, published: Published) -> list[str]:
    """Where the settings and the folder disagree."""
    lines = []
    says = published.problems.get("pooling") or (published.pooling and f"it pools by {published.pooling}")
    if says and model.pooling != published.pooling and not is_pooler(model, published):
        lines.append(f"model.pooling={model.pooling}, but of {asked.path} it is known that {says}")
    if not published.include_prompt and any(_prefixes(model)):
        lines.append(f"{asked.path} leaves its prompt out of the pooling; here the prefixes are pooled, too")
    if (
        model.head == "none"
        and (published.layers or "head" in published.problems)
        and not is_pooler(model, published)
    ):
        left = published.problems.get("head") or _layers_text(published)
        lines.append(f"model.head=none leaves out what {asked.path} has behind its pooling: {left}")
    for role, prefix in zip(ROLES, _prefixes(model), strict=True):
        prompt = published.prompt(role)
        if any(published.prompts.values()) and prefix != (prompt or ""):
            lines.append(f"model.{role}_prefix='{prefix}', but {asked.path} has '{prompt or ''}'")
        elif published.prompts and prompt is None and getattr(asked, f"{role}_prefix") == AUTO:
            names = " ".join(published.prompts)
            lines.append(f"{asked.path} has prompts ({names}), none of them for a {role}: see model.{role}_prefix")
    if model.lower_case != published.lower_case:
        lines.append(f"model.lower_case={str(model.lower_case).lower()}, but {asked.path} says otherwise")
    lines += [
        f"model.{name}={getattr(model, name)}, but {asked.path} is made for {published.max_tokens} tokens"
        for name in ("max_query_tokens", "max_passage_tokens")
        if published.max_tokens is not None and getattr(model, name) > published.max_tokens
    ]
    if not published.normalised and published.similarity in ("dot", "euclidean", "manhattan"):
        lines.append(
            f"{asked.path} compares by {published.similarity} what it does not normalise; here it is the cosine"
        )
    return lines


def is_pooler(model: HfModel, published: Published) -> bool:
    """Whether the folder has the very layer as a Dense that `pooler` takes from the encoder."""
    if model.pooling != "pooler" or published.pooling != "cls" or len(published.layers) != 1:
        return False
    layer = published.layers[0]
    return layer.kind == "Dense" and layer.config["in_features"] == layer.config["out_features"]


def head_weights(model: HfModel, folder: str) -> Path:
    """The file with the weights of a layer. Raises InputError if there is none."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if file := model_file(model.path, f"{folder}/{name}", model.revision):
            return file
    raise InputError(f"model.path={model.path}: {folder} has no weights")

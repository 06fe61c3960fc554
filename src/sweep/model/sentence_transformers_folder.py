"""What a model's folder says of itself in the files of sentence-transformers, of any version since 2.0."""

from dataclasses import dataclass, field
from typing import Any

from sweep.errors import InputError
from sweep.model.folder_files import model_json
from sweep.model.published_layers import layer_problem
from sweep.model.published_pooling import pooling_of
from sweep.settings import POOLING_MODES

LIBRARY = "sentence_transformers."
ENCODERS = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
ROLE_PROMPTS = {"query": ("query",), "passage": ("document", "passage", "corpus")}  # the first that is there counts
HUGE = 1_000_000
OTHER_INPUT = (
    "config_args", "config_kwargs", "tokenizer_args", "processor_kwargs", "processing_kwargs", "query_expansion",
)  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A layer behind the pooling: its kind, its folder below the model's, and its configuration."""

    kind: str
    folder: str
    config: dict[str, Any]


@dataclass(frozen=True)
class Published:
    """What is read. `pooling` is None if the folder says nothing of it; `problems` names what cannot be represented
    here, by the setting (`pooling`, `head`) that would be read from it."""

    pooling: str | None = None
    include_prompt: bool = True
    layers: tuple[Layer, ...] = ()
    normalised: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str | None = None
    lower_case: bool = False
    max_tokens: int | None = None
    problems: dict[str, str] = field(default_factory=dict)

    def prompt(self, role: str) -> str | None:
        """The prompt of a role, None if none of its names is there: as `encode_query` and `encode_document` choose,
        and else the default prompt."""
        named = [self.prompts[name] for name in ROLE_PROMPTS[role] if self.prompts.get(name)]
        named += [self.prompts[name] for name in ROLE_PROMPTS[role] if name in self.prompts]
        return named[0] if named else self.prompts.get(self.default_prompt or "")


def read_folder(path: str, revision: str | None) -> Published:
    """What the folder, or the repository on the hub, says. Raises InputError if a file is not what it should be."""
    try:
        return _read(path, revision)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"model.path={path}: its sentence-transformers files cannot be read ({type(error).__name__}: {error})"
        ) from error


def _read(path: str, revision: str | None) -> Published:
    modules = model_json(path, "modules.json", revision)
    whole = model_json(path, "config_sentence_transformers.json", revision) or {}
    if modules is None:
        return Published()
    names = ["sentence_bert_config.json", *(f"sentence_{kind}_config.json" for kind in ENCODERS[1:])]
    text: dict[str, Any] = next(filter(None, (model_json(path, name, revision) for name in names)), {})
    kinds = [module["type"] for module in modules]
    problems = {}
    problem = _encoder_problem(modules, text, whole)
    pooling: dict[str, Any] = {}
    if problem is None:
        pooling = model_json(path, f"{modules[1]['path']}/config.json", revision) or {}
        if unknown := [mode for mode in pooling_of(pooling).split("+") if mode not in POOLING_MODES]:
            problem = f"it pools by {' '.join(unknown)}"
    if problem is not None:
        problems["pooling"] = problem
    behind = modules[2:]
    normalised = bool(kinds) and _kind(kinds[-1]) == "Normalize"
    if normalised:
        behind = behind[:-1]
    layers = tuple(_layer(module, path, revision) for module in behind)
    for layer in layers:
        if problem := _layer_problem(layer, path, revision):
            problems.setdefault("head", problem)
    if whole.get("truncate_dim"):
        problems.setdefault("head", f"it cuts embeddings to {whole['truncate_dim']} numbers")
    return Published(
        pooling=None if "pooling" in problems else pooling_of(pooling),
        include_prompt=bool(pooling.get("include_prompt", True)),
        layers=layers,
        normalised=normalised,
        prompts={name: prompt or "" for name, prompt in (whole.get("prompts") or {}).items()},
        default_prompt=whole.get("default_prompt_name"),
        similarity=whole.get("similarity_fn_name"),
        lower_case=bool(text.get("do_lower_case", False)),
        max_tokens=text.get("max_seq_length") or _tokenizer_length(path, revision),
        problems=problems,
    )


def _tokenizer_length(path: str, revision: str | None) -> int | None:
    """Where versions since 5.5 keep the maximal length; the tokenizer's own mark for none is a huge number."""
    length = (model_json(path, "tokenizer_config.json", revision) or {}).get("model_max_length")
    return int(length) if length is not None and length < HUGE else None


def _kind(name: str) -> str:
    """The class of a module, if it is one of the library's; else its whole name."""
    return name.rpartition(".")[2] if name.startswith(LIBRARY) else name


def _encoder_problem(modules: list[dict[str, Any]], text: dict[str, Any], whole: dict[str, Any]) -> str | None:
    """Why the first two modules are not an encoder and a pooling as they are here, or None."""
    kinds = [_kind(module["type"]) for module in modules]
    if (kind := whole.get("model_type", "SentenceTransformer")) != "SentenceTransformer":
        return f"it is a {kind}, no dense retriever"
    if kinds[:1] != ["Transformer"]:
        return f"its first module is {kinds[0] if kinds else 'missing'}, no Transformer"
    if modules[0]["path"]:
        return (
            f"its Transformer lies in {modules[0]['path']}; load and save it once with sentence-transformers, which "
            "puts it to the top"
        )
    if kinds[1:2] != ["Pooling"]:
        return f"behind its Transformer comes {kinds[1] if len(kinds) > 1 else 'nothing'}, no Pooling"
    if text.get("transformer_task", "feature-extraction") != "feature-extraction":
        return f"its Transformer is made for {text['transformer_task']}"
    if text.get("module_output_name", "token_embeddings") != "token_embeddings":
        return f"its Transformer gives {text['module_output_name']}"
    changed = [name for name in OTHER_INPUT if set(text.get(name) or {}) - {"trust_remote_code"}]
    return f"its Transformer is loaded with {changed[0]}" if changed else None


def _layer(module: dict[str, Any], path: str, revision: str | None) -> Layer:
    kind = _kind(module["type"])
    config = model_json(path, f"{module['path']}/config.json", revision) or {}
    return Layer(kind, module["path"], config)


def _layer_problem(layer: Layer, path: str, revision: str | None) -> str | None:
    if layer.kind in ("Router", "Asym"):
        router = model_json(path, f"{layer.folder}/router_config.json", revision) or layer.config
        routes = " ".join(router.get("structure", {}))
        return f"it chooses layers by the task that a text is given with (a Router of {routes})"
    return layer_problem(layer.kind, layer.config)

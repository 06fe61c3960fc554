"""Compose the configuration tree and turn it into typed settings; the only module that knows Hydra and OmegaConf.

Hydra composes, and that is all: it neither sweeps nor changes folders here. Every failure is an `InputError`
that names the key and what is allowed.
"""

import difflib
import json
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError
from yaml import YAMLError

from sweep.errors import InputError
from sweep.settings import EvaluateSettings, Section, Settings, StudySettings
from sweep.settings.checks import STUDY_CHECKS
from sweep.settings.earlier import completed
from sweep.settings.storage import redacted

MAX_CHECKED_POINTS = 64  # composing takes a tenth of a second where groups are searched
_PASSWORD = re.compile(r"\+{0,2}study\.storage=[^$]*://[^/]*:[^/]*@")

SettingsType = TypeVar("SettingsType", bound=Section)


def config_folder() -> Path:
    """The folder of the config tree: inside an installed package, or `conf/` at the top of a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def group_options(config_dir: str | None = None) -> dict[str, list[str]]:
    """Config groups and the names that can be chosen in each, from our tree and the user's folder."""
    options: dict[str, set[str]] = {}
    for folder in (config_folder(), *([Path(config_dir)] if config_dir else [])):
        for file in sorted(folder.glob("*/*.yaml")):
            if not file.stem.startswith("_"):  # a base that others are short differences from
                options.setdefault(file.parent.name, set()).add(file.stem)
    return {group: sorted(names) for group, names in sorted(options.items())}


class Composer:
    """Composes one configuration (`sweep` or `evaluate`) with given overrides, again and again.

    `config_dir` is a folder of the user's own groups and experiments, searched beside ours.
    Raises InputError for anything that does not compose.
    """

    def __init__(self, config_name: str, overrides: Sequence[str], config_dir: str | None = None) -> None:
        self.config_name = config_name
        self.overrides = tuple(overrides)
        self.config_dir = config_dir
        self._kept: dict[tuple[str, ...], tuple[DictConfig, Any]] = {}
        if any(_PASSWORD.match(override) for override in overrides):
            raise InputError(
                "study.storage: everyone on this machine can read a password on the command line; put the URL into "
                "an environment variable and write study.storage='${oc.env:SWEEP_STORAGE}'"
            )
        if config_dir and not Path(config_dir).is_dir():
            raise InputError(f"--config-dir: no such folder: {config_dir}")

    def compose(self, point: dict[str, Any] | None = None) -> DictConfig:
        """The composed configuration, with a point's values (by config path) laid over the overrides."""
        return self._composed(point)[0]

    def _composed(self, point: dict[str, Any] | None = None) -> tuple[DictConfig, Any]:
        """The composed configuration, and the study's storage as it is written: unresolved, if it is a reference."""
        values = dict(point or {})
        choices = [assignment(path, values.pop(path)) for path in list(values) if self._is_choice(path)]
        with self._explained([*choices, *(assignment(path, value) for path, value in values.items())]):
            composed, study = self._chosen(tuple(choices))
            config = deepcopy(composed)
            for path, value in values.items():  # as Hydra does it, after all choices of groups
                OmegaConf.update(config, path, value, merge=True)
            written = OmegaConf.to_container(config)
            OmegaConf.resolve(config)
            if study is not None:  # which stays what it is, whatever it refers to is in this point
                config.study = study
        assert isinstance(written, dict)
        return config, (written.get("study") or {}).get("storage")

    def _is_choice(self, path: str) -> bool:
        return "/" in path or "@" in path or path in self._groups

    @cached_property
    def _groups(self) -> dict[str, list[str]]:
        return group_options(self.config_dir)

    def _chosen(self, choices: tuple[str, ...]) -> tuple[DictConfig, Any]:
        """The overrides' configuration with some more choices of groups, unresolved, and its study, resolved (None
        if it has none). Hydra takes a tenth of a second for it: it is kept, and trials differ by a few values."""
        if choices not in self._kept:
            search = []
            if self.config_dir:
                search = [assignment("hydra.searchpath", [f"file://{Path(self.config_dir).resolve()}"])]
            GlobalHydra.instance().clear()
            given, space = self._without_space()
            with initialize_config_dir(str(config_folder()), version_base="1.3"):
                config = compose(self.config_name, overrides=[*search, *given, *choices])
            if space:
                config.study.space = space[-1]
            resolved = deepcopy(config)
            OmegaConf.resolve(resolved)
            self._kept[choices] = config, resolved.get("study")
        return self._kept[choices]

    def yaml(self) -> str:
        """The composed configuration as `--cfg job` prints it; without the password of the study's storage."""
        config, storage = self._composed()
        if storage is not None:
            config.study.storage = storage if "${" in str(storage) else redacted(str(storage))
        return OmegaConf.to_yaml(config)

    def _parsed(self, more: Sequence[str] = ()) -> list[Override]:
        return OverridesParser.create().parse_overrides([*self.overrides, *more])

    def _without_space(self) -> tuple[list[str], list[Any]]:
        """The overrides for Hydra, and every `study.space={...}`: the last one replaces the space, where Hydra would
        merge it into the old one and leave a dimension with both a grid and a range."""
        given: list[str] = []
        space: list[Any] = []
        for override in self._parsed():
            if override.is_sweep_override():
                raise InputError(
                    f"'{override.input_line}' lists several values; to search them, put them into the space: "
                    f"'study.space={{{override.key_or_group}: {{grid: [...]}}}}'"
                )
            if override.key_or_group == "study.space" and not override.is_delete():
                space.append(override.value())
            else:
                given.append(str(override.input_line))
        return given, space

    @contextmanager
    def _explained(self, assignments: Sequence[str]) -> Iterator[None]:
        """One line for Hydra's many: the offending override or key, and what is allowed in its place."""
        try:
            yield
        except OverrideParseException as error:
            raise InputError(f"cannot read the override '{error.override}': {_one_line(error)}") from error
        except (HydraException, OmegaConfBaseException) as error:
            parsed = self._parsed(assignments)
            lines = (self._explain_override(override, parsed) for override in parsed)
            raise InputError(next(filter(None, lines), _one_line(error))) from error

    def _explain_override(self, override: Override, among: Sequence[Override]) -> str | None:
        groups = self._groups
        key = override.key_or_group
        if key in groups:
            chosen = override.value()
            if isinstance(chosen, str) and chosen not in groups[key]:
                return f"{key}={chosen}: no such choice; {key} is one of: {', '.join(groups[key])}"
        if override.is_add() or override.is_delete():
            return None
        if key == "experiment":
            return f"write +experiment={override.value()} (with a plus sign): an experiment is added to the defaults"
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            try:
                choices = [str(other.input_line) for other in among if other.key_or_group in groups]
                config = compose(self.config_name, overrides=choices)
            except (HydraException, OmegaConfBaseException):
                return None
        return unknown_key(key, config)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).split(" See https://hydra.cc")[0]


def unknown_key(key: str, config: DictConfig) -> str | None:
    """A line that names the first part of a dotted key that does not exist, and its nearest neighbours."""
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(node, DictConfig):
            return f"unknown key '{key}': '{'.'.join(parts[:depth])}' is a value, not a section"
        allowed = [str(name) for name in node]
        if part not in allowed:
            where = ".".join(parts[:depth]) or "the configuration"
            close = difflib.get_close_matches(part, allowed, n=1)
            hint = f"; did you mean '{'.'.join([*parts[:depth], close[0]])}'?" if close else "."
            return f"unknown key '{key}'{hint} Keys of {where}: {', '.join(allowed)}"
        node = node._get_node(part) if OmegaConf.is_missing(node, part) else node[part]
    return None


def assignment(path: str, value: Any) -> str:
    """A Hydra override that sets `path` to `value`, whatever characters a string has."""
    return f"{path}={_literal(value)}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        # In Hydra's quoted strings a backslash escapes only a quote, or backslashes right before a quote.
        return "'" + re.sub(r"(\\*)('|$)", lambda run: run[1] * 2 + ("\\'" if run[2] else ""), value) + "'"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_literal(item) for item in value) + "]"
    return json.dumps(value)


def validated(config: DictConfig, into: type[SettingsType]) -> SettingsType:
    """Typed settings from a composed configuration. Raises InputError naming every wrong key."""
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        example = "a local folder or a Hugging Face name" if missing[0] == "model.path" else "VALUE"
        raise InputError(f"{missing[0]} is required and not set; add {missing[0]}={example}")
    plain = OmegaConf.to_container(config, resolve=True)
    try:
        # JSON mode keeps strictness ("1" is no number) and still reads a YAML list as a tuple.
        return into.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        # A list whose item is wrong is reported a second time as too short: noise.
        details = [detail for detail in error.errors() if detail["type"] != "too_short"] or error.errors()
        raise InputError("; ".join(map(_problem, details))) from error


def _problem(detail: Any) -> str:
    """One pydantic error as '<key>: <what is allowed>, not <value>'."""
    location = [str(part) for part in detail["loc"]]
    # A tagged union puts its tag into the location: data.cldr.records -> data.records.
    for section in ("data", "evaluation", "model"):
        if len(location) > 1 and location[0] == section:
            location = [section, *location[2:]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        return f"unknown key '{key}'"
    if detail["type"] == "value_error":
        return f"{key}: {detail['ctx']['error']}" if key else str(detail["ctx"]["error"])
    if detail["type"] == "missing":
        return f"{key} is missing"
    wanted = re.sub(r"^(Input|String|Tuple|Dictionary) should ", "", str(detail["msg"])).replace("be a valid", "be a")
    return f"{key}={detail['input']!r}: must {wanted}"


def load_settings(composer: Composer, point: dict[str, Any] | None = None) -> Settings:
    """Settings of a study, or of one point of it. Raises InputError."""
    settings = validated(composer.compose(point), Settings)
    for check in STUDY_CHECKS:
        problem = check(settings)
        if problem:
            raise InputError(problem)
    return settings


def saved_settings(file: Path) -> Settings:
    """Settings of a study as its `config.yaml` has them, that of an earlier version included. Raises InputError if
    they are of neither."""
    try:
        config = OmegaConf.create(file.read_text())
        if not isinstance(config, DictConfig):
            raise InputError("it is not a study's configuration")
        return validated(completed(config), Settings)
    except (InputError, YAMLError) as error:
        raise InputError(f"{file}: {error}") from error


def load_evaluate_settings(composer: Composer) -> EvaluateSettings:
    """Settings of `python -m sweep.evaluate`. Raises InputError."""
    return validated(composer.compose(), EvaluateSettings)


def check_space(composer: Composer, settings: Settings) -> None:
    """Compose every value of every dimension, and a small space's every combination. Raises InputError.

    What only a combination in a larger space shows makes its trial FAILED with the same message.
    """
    reserved = {"seed", "study", "launcher", "tracking", "paths"}
    space = settings.study.space
    for path in space:
        if path.startswith("+"):
            raise InputError(f"study.space: write '{path.lstrip('+')}', without a plus sign")
        if path.split(".")[0] in reserved:
            reason = "list seeds in study.seeds" if path == "seed" else "it does not change a trial's result"
            raise InputError(f"study.space: '{path}' cannot be searched: {reason}")
    points = [_with_conditions(settings.study, path, value) for path in space for value in space[path].ends]
    if len(space) > 1 and math.prod(len(dimension.ends) for dimension in space.values()) <= MAX_CHECKED_POINTS:
        points += settings.study.combinations({path: dimension.ends for path, dimension in space.items()})
    for point in points:
        try:
            load_settings(composer, point)
        except InputError as error:
            raise InputError(f"study.space: {error}") from error


def _with_conditions(study: StudySettings, path: str, value: Any) -> dict[str, Any]:
    """A value of a path with the values of other paths that it needs to exist."""
    point: dict[str, Any] = {}
    for other, wanted in (study.space[path].when or {}).items():
        point = _with_conditions(study, other, wanted[0]) | point
    return {**point, path: value}

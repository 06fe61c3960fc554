"""Compose the configuration tree with Hydra.

Hydra composes, and that is all: it neither sweeps nor changes folders here. Every failure is an `InputError`
that names the key and what is allowed.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import GrammarParseError, OmegaConfBaseException
from yaml import YAMLError

from sweep.errors import InputError
from sweep.settings.experiments import refuse_experiment
from sweep.settings.explain import explain_file, explain_override, one_line
from sweep.settings.overrides import (
    MAPS,
    assignment,
    check_choices,
    parsed,
    refuse_passwords,
    with_text,
    without_maps,
)
from sweep.settings.references import explain_grammar, resolve
from sweep.settings.secrets import redacted_leaves, without_passwords
from sweep.settings.syntax import LONGEST_KEY, explain_syntax
from sweep.settings.tree import config_folder, group_options, hidden_files
from sweep.settings.wording import excerpt, listed

_ENVIRONMENT = re.compile(r"\$\{oc\.env:[^{}]*\}")


class Composer:
    """Composes one configuration (`sweep`, `evaluate` or `mine`) with given overrides, again and again.

    `config_dir` is a folder of the user's own groups and experiments, searched beside ours.
    Raises InputError for anything that does not compose.
    """

    def __init__(self, config_name: str, overrides: Sequence[str], config_dir: str | None = None) -> None:
        self.config_name = config_name
        self.overrides = tuple(map(with_text, overrides))
        self.config_dir = config_dir
        self._kept: dict[tuple[str, ...], tuple[DictConfig, Any]] = {}
        refuse_passwords(overrides)
        if config_dir and not Path(config_dir).is_dir():
            raise InputError(f"--config-dir: no such folder: {excerpt(config_dir)}")
        if config_dir and (hidden := hidden_files(config_dir)):
            raise InputError(
                f"--config-dir {excerpt(config_dir)}: {listed(hidden)} would not be read, since files of that name "
                "come with the program: give it another name"
            )

    def compose(self, point: dict[str, Any] | None = None) -> DictConfig:
        """The composed configuration, with a point's values (by config path) laid over the overrides."""
        return self._composed(point)[0]

    def _composed(self, point: dict[str, Any] | None = None) -> tuple[DictConfig, Any]:
        """The composed configuration, and the same as it is written: plain, with its references."""
        values = dict(point or {})
        choices = [assignment(path, values.pop(path)) for path in list(values) if self._is_choice(path)]
        with self._explained([*choices, *(assignment(path, value) for path, value in values.items())]):
            composed, study = self._chosen(tuple(choices))
            config = deepcopy(composed)
            for path, value in values.items():  # as Hydra does it, after all choices of groups
                OmegaConf.update(config, path, value, merge=path not in MAPS)
            written = OmegaConf.to_container(config)
            resolve(config)
            if study is not None:  # which stays what it is, whatever it refers to is in this point
                config.study = study
        return config, written

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
            given, maps = without_maps(self._parsed())
            refuse_experiment(self.config_name, self._parsed(), self.config_dir)
            check_choices(self._parsed(choices), self._groups)
            with initialize_config_dir(str(config_folder()), version_base="1.3"):
                config = compose(self.config_name, overrides=[*search, *given, *choices])
            for path, value in maps.items():
                OmegaConf.update(config, path, value, merge=False)
            resolved = deepcopy(config)
            resolve(resolved)
            self._kept[choices] = config, resolved.get("study")
        return self._kept[choices]

    def yaml(self) -> str:
        """The composed configuration as `--cfg job` prints it and a study's folder has it: without references, and
        with stars for passwords."""
        return OmegaConf.to_yaml(OmegaConf.create(redacted_leaves(OmegaConf.to_container(self.compose()))))

    def as_given(self, path: str) -> str:
        """A value as another command can be given it: as a reference to the environment if it is written as one, and
        with stars for a password."""
        config, written = self._composed()
        resolved: Any = OmegaConf.to_container(config)
        for name in path.split("."):
            written, resolved = written[name], resolved[name]
        return without_passwords(str(resolved if "${" in _ENVIRONMENT.sub("", str(written)) else written))

    def _parsed(self, more: Sequence[str] = ()) -> list[Override]:
        overrides = parsed([*self.overrides, *more])
        for override in overrides:
            if not 0 < len(override.key_or_group) <= LONGEST_KEY:
                raise InputError(explain_syntax(str(override.input_line)))
        return overrides

    @contextmanager
    def _explained(self, assignments: Sequence[str]) -> Iterator[None]:
        """One line for Hydra's many: the offending override or key, and what is allowed in its place."""
        try:
            yield
        except OverrideParseException as error:
            raise InputError(explain_syntax(str(error.override))) from error
        except GrammarParseError as error:
            raise InputError(explain_grammar(error)) from error
        except (YAMLError, UnicodeDecodeError) as error:
            raise InputError(explain_file(error, self.config_dir)) from error
        except (HydraException, OmegaConfBaseException) as error:
            if isinstance(error.__cause__, GrammarParseError):
                raise InputError(explain_grammar(error.__cause__)) from error
            overrides = self._parsed(assignments)
            lines = (explain_override(override, overrides, self._groups, self.config_name) for override in overrides)
            raise InputError(next(filter(None, lines), one_line(error))) from error

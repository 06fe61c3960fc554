"""What is evaluated on: a first benchmark, further ones beside it, and their languages."""

from typing import Annotated

from pydantic import model_validator

from sweep.settings.base import LanguageSettings, Section, matching
from sweep.settings.kinds import EvaluationSettings

BENCHMARKS = "benchmarks"  # the key of further ones
Key = Annotated[str, matching("[A-Za-z0-9][A-Za-z0-9_-]*", "a name of letters, digits, '_' and '-'")]


class Benchmarked(Section):
    """What is evaluated on. `evaluation` is the first benchmark, which objectives and tables are of unless they say
    otherwise; `benchmarks` are further ones, each under a name of the user's choice, as `evaluation` has it.
    Of several, each is evaluated in those of `languages.evaluate` that it has."""

    languages: LanguageSettings
    evaluation: EvaluationSettings
    benchmarks: dict[Key, EvaluationSettings]

    @property
    def evaluations(self) -> tuple[EvaluationSettings, ...]:
        """Every benchmark's section, that of the first one first."""
        return (self.evaluation, *self.benchmarks.values())

    @model_validator(mode="after")
    def _names_differ(self) -> "Benchmarked":
        taken = {self.evaluation.name.casefold()}  # names of files, too, which some systems do not tell apart by case
        for key, section in self.benchmarks.items():
            if section.name.casefold() in taken:
                raise ValueError(
                    f"benchmarks.{key}.name={section.name}: another benchmark has this name, and both would have the "
                    f"same metric keys; set benchmarks.{key}.name to another"
                )
            taken.add(section.name.casefold())
        return self

"""The mix of batches: how many are monolingual, and how often each language and pair is drawn."""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from sweep.settings.base import Language, Name, Probability, Section
from sweep.settings.language import language_name

Weight = Annotated[float, Field(ge=0)]


def _language_pair(value: object) -> object:
    """Two languages, joined by a hyphen, by their names. Raises ValueError."""
    parts = value.split("-") if isinstance(value, str) else []
    if len(parts) != 2:
        raise ValueError(f"{value!r} is no pair of languages; write QUESTION-PASSAGE, such as sw-en or zh_Hant-en")
    return "-".join(map(language_name, parts))


LanguagePair = Annotated[str, BeforeValidator(_language_pair)]  # of the question, and of the passage


class CodeSwitchSettings(Section):
    """Words of training texts that give way to translations in other training languages, with a probability each.

    `texts`: those of questions, or of questions and relevant passages (`both`). `lexicon`: a folder of files
    `<language>-<language>.txt`; null: the names that data=cldr has."""

    probability: Probability
    texts: Literal["questions", "both"]
    lexicon: str | None


NO_SWITCH = CodeSwitchSettings(probability=0.0, texts="questions", lexicon=None)


class RatioSettings(Section):
    """The hybrid mix: how often a batch is monolingual, and how languages are drawn.

    With a `schedule` other than constant the probability goes from `monolingual` to `monolingual_end` over training:
    `linear`, `cosine` (slow at both ends), or in `stairs` equal stretches (`steps`).
    `draw: even` spreads kinds and languages evenly over the steps, so that the shares of a training are the expected
    ones but for rounding; with `independent`, as in version 0.1, every step is drawn on its own.
    How often languages and pairs are drawn, the weights included: see `sweep.training.units`. `few_rows`: what is
    done about a language or pair with fewer rows than a batch.
    `mix: batches` trains on both kinds of batches. `mix: merge` trains nothing: the weights of the study's models
    of α = 1 and α = 0 are averaged, and `monolingual` is the weight λ of the first (Wortsman et al. 2022, arXiv
    2203.05482; Ilharco et al. 2023, arXiv 2212.04089).
    """

    monolingual: Probability
    schedule: Literal["constant", "linear", "cosine", "steps"]
    monolingual_end: Probability | None
    stairs: Annotated[int, Field(ge=2)]
    language_sampling: Literal["uniform", "size", "temperature"]
    temperature: Annotated[float, Field(ge=0.05)]  # of less, numbers of rows are too large
    cross_batch: Literal["pair", "mixed"]
    draw: Literal["even", "independent"]
    language_weights: dict[Language, Weight]
    pair_weights: dict[LanguagePair, Weight]
    source_weights: dict[Name, Weight]
    few_rows: Literal["smaller", "leave_out", "refuse"]
    code_switch: CodeSwitchSettings
    mix: Literal["batches", "merge"]

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without what there was no choice of when studies were begun, where it is as it was."""
        as_it_was = {
            "draw": self.draw == "independent",
            "language_weights": not self.language_weights,
            "pair_weights": not self.pair_weights,
            "source_weights": not self.source_weights,
            "few_rows": self.few_rows == "smaller",
            "code_switch": self.code_switch == NO_SWITCH,
            "mix": self.mix == "batches",
        }
        return super().plain(but | {name for name, is_so in as_it_was.items() if is_so})

    def monolingual_at(self, step: int, steps: int) -> float:
        """The probability that the batch of a step (from 0, of so many) is monolingual."""
        if self.monolingual_end is None or steps == 1:
            return self.monolingual
        done = step / (steps - 1)
        if self.schedule == "cosine":
            done = (1 - math.cos(math.pi * done)) / 2
        elif self.schedule == "steps":
            done = (step * self.stairs // steps) / (self.stairs - 1)
        return self.monolingual + done * (self.monolingual_end - self.monolingual)

    @property
    def kinds(self) -> tuple[bool, bool]:
        """Whether there are monolingual and cross-lingual batches at all."""
        if self.mix == "merge":  # of both, in the trainings that it is made of
            return True, True
        ends = (self.monolingual, self.monolingual if self.monolingual_end is None else self.monolingual_end)
        return max(ends) > 0, min(ends) < 1

    @model_validator(mode="after")
    def _end_belongs_to_a_schedule(self) -> "RatioSettings":
        if (self.schedule == "constant") != (self.monolingual_end is None):
            raise ValueError(
                "monolingual_end says where a schedule ends: null for schedule=constant, a number for the others"
            )
        if self.mix == "merge" and self.monolingual_end is not None:
            raise ValueError("mix=merge trains nothing, so the share has no schedule: set schedule=constant")
        return self

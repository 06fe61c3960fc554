"""Batches whose texts have some words in other languages: artificially code-switched training data.

Qin et al. 2020, arXiv 2006.06402 (CoSDA-ML), section 3: words of training texts give way to translations in languages
that are drawn. Litschko et al. 2023, arXiv 2305.05295: so for retrieval, on queries, or on queries and passages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sweep.data.stored_texts import StoredTexts
from sweep.data.translated_words import Lexicon, Role, Switched, longest_of, switch_words
from sweep.settings.ratio import CodeSwitchSettings
from sweep.training.plan import Batch, BatchPlan, SwitchedTexts
from sweep.training.units import Unit

# What sets generators here apart from all others, whose first numbers are [seed, step].
_SWITCH, _ROLES = 6, {"query": 1, "passage": 2}


@dataclass(frozen=True, eq=False)
class SwitchedPlan:
    """A plan whose batches have switched texts. What is switched is a pure function of (seed, step, row): it does not
    depend on how many ranks there are, nor on what was computed before, and the batches are those of the plan."""

    plan: BatchPlan
    lexicon: Lexicon
    settings: CodeSwitchSettings

    @property
    def left_out(self) -> tuple[Unit, ...]:
        """Languages and pairs that have rows and are not drawn."""
        return self.plan.left_out

    def batch(self, step: int) -> Batch:
        """The global batch of a step (from 0)."""
        batch = self.plan.batch(step)
        questions = self._switched(step, "query", batch.question_b, [asked for asked, _ in batch.pairs])
        passages: list[Switched] = []
        if self.settings.texts == "both":
            passages = self._switched(step, "passage", batch.passage_b, [answered for _, answered in batch.pairs])
        words, switched = (
            sum(getattr(one, name) for one in (*questions, *passages)) for name in ("words", "switched")
        )
        return replace(
            batch, switched=SwitchedTexts(_changed(questions), _changed(passages), words=words, switched=switched)
        )

    def _switched(
        self, step: int, role: Role, text_b: NDArray[np.int32], language_b: Sequence[str]
    ) -> list[Switched]:
        """The texts of the batch's rows in a role."""
        texts: StoredTexts = self.plan.data.texts
        rows = enumerate(zip(texts.read(text_b), language_b, strict=True))
        return [
            switch_words(
                text,
                self.lexicon.of(role, language),
                self._longest[role, language],
                self.settings.probability,
                np.random.default_rng([self.plan.seed, step, _SWITCH, row, _ROLES[role]]),
            )
            for row, (text, language) in rows
        ]

    @cached_property
    def _longest(self) -> dict[tuple[Role, str], int]:
        roles: tuple[Role, Role] = ("query", "passage")
        return {
            (role, code): longest_of(self.lexicon.of(role, code))
            for role in roles
            for code in self.plan.data.languages
        }


def _changed(texts: Sequence[Switched]) -> dict[int, str]:
    return {row: one.text for row, one in enumerate(texts) if one.switched}


def with_switched(plan: BatchPlan, lexicon: Lexicon | None, settings: CodeSwitchSettings) -> BatchPlan | SwitchedPlan:
    """The plan itself, unless words are switched."""
    return plan if lexicon is None or not settings.probability else SwitchedPlan(plan, lexicon, settings)

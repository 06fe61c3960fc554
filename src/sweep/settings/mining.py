"""How hard negatives are mined: of which language, from which ranks, at which scores, how many of them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sweep.settings.base import Positive, Section

NegativeLanguage = Literal["passage", "question", "any", "balanced"]
Draw = Literal["top", "random"]
DEEPEST = 1000  # ranks; a search of FAISS on a GPU gives 2,048 passages at most, relevant ones among them


class MiningSearch(Section):
    """How a pool of passages is searched, as in `SearchSettings`: `flat` compares all of them, `ivf` those of
    `probes` of `lists` clusters (null: 4 * sqrt(passages)), `hnsw` walks a graph of `neighbours` links looking at
    `probes` candidates or more."""

    index: Literal["flat", "ivf", "hnsw"]
    lists: Positive | None
    probes: Positive
    neighbours: Annotated[int, Field(ge=4, le=128)]


class Mining(Section):
    """Which passages become hard negatives of a training row.

    `language`: theirs is the relevant `passage`'s, the `question`'s, `any`, or `balanced`, equal numbers of each.
    `ranks`: the first and the last rank that is drawn from; passages known to be relevant have none. A negative's
    score is at most that of the row's passage minus `margin`, and at most the share `relative` of it. `near_copies`:
    a passage at least this like a relevant one is no negative (Jaccard similarity of character 5-grams). `keep`:
    negatives that the data have come first. `seed`: of `draw=random`, and of which languages
    get one more where balanced numbers cannot be equal.
    """

    language: NegativeLanguage
    negatives: Positive
    ranks: tuple[Positive, Annotated[int, Field(ge=1, le=DEEPEST)]]
    margin: Annotated[float, Field(ge=0, le=2)] | None
    relative: Annotated[float, Field(gt=0, le=1)] | None
    near_copies: Annotated[float, Field(ge=0.5, le=1)] | None
    draw: Draw
    keep: bool
    seed: Annotated[int, Field(ge=0)]
    search: MiningSearch

    @model_validator(mode="after")
    def _ranks_hold_the_negatives(self) -> "Mining":
        low, high = self.ranks
        if low > high:
            raise ValueError(f"ranks begin at {low}, which is behind their end, {high}")
        if self.language != "balanced" and self.negatives > high - low + 1:
            raise ValueError(f"ranks {low} to {high} are fewer than {self.negatives} negatives")
        return self

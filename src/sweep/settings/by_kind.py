"""What the settings of every loss have in common: a temperature and a weight for each kind of batch."""

from typing import Annotated, Any, Literal

from pydantic import Field

from sweep.settings.base import Section

Above = Annotated[float, Field(gt=0)]


class KindTemperatures(Section):
    """The temperature of each kind of batch; null: `train.temperature`."""

    monolingual: Above | None
    cross_lingual: Above | None


class KindWeights(Section):
    """What the gradient of a batch of each kind is multiplied by."""

    monolingual: Above
    cross_lingual: Above

    def of(self, kind: Literal["monolingual", "cross-lingual"]) -> float:
        """The weight of a batch of this kind."""
        return self.monolingual if kind == "monolingual" else self.cross_lingual


ONE_TEMPERATURE = KindTemperatures(monolingual=None, cross_lingual=None)
EQUAL_WEIGHTS = KindWeights(monolingual=1.0, cross_lingual=1.0)


class LossSection(Section):
    """Base of the settings of all losses."""

    temperatures: KindTemperatures
    weights: KindWeights

    def plain(self, but: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As of any section, without what there was no choice of when studies were begun, where it is as it was."""
        neutral = {"temperatures": self.temperatures == ONE_TEMPERATURE, "weights": self.weights == EQUAL_WEIGHTS}
        return super().plain(but | {name for name, is_so in neutral.items() if is_so})

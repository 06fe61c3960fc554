"""What needs no training, and what a trained ratio has to beat."""

from typing import Literal, get_args

from sweep.settings.evaluation import Debias

Baseline = Literal["chance", "n-grams", "untouched", "center", "shift", "lir"]

UNTOUCHED: Baseline = "untouched"  # the pretrained encoder as it is
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
REMOVALS: tuple[Debias, ...] = get_args(Debias)
OF_A_MODEL: tuple[Baseline, ...] = (UNTOUCHED, *REMOVALS)  # a model from scratch has none of them
WITHOUT_MODEL: tuple[Baseline, ...] = tuple(name for name in BASELINES if name not in OF_A_MODEL)

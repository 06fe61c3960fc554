"""InfoNCE with a penalty on what tells the languages of embeddings apart.

Shapes: b = rows of the global batch, n = questions and passages of the batch (2 b), h = hidden size, l = languages,
r = directions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from sweep.settings import DebiasSettings, TrainSettings
from sweep.training.losses.by_kind import by_kind
from sweep.training.losses.info_nce import InfoNce
from sweep.training.losses.protocol import Embeddings, Loss, LossBatch
from sweep.training.needs import Needs

SMALLEST = 1e-6  # singular values, as shares of the first, that are 0 but for rounding


@dataclass(frozen=True)
class Debias:
    """The loss of `ranking` plus `weight` times the penalty of the batch, the same for each of its rows.

    `means` are running means of the embeddings of each language, r <- momentum * r + (1 - momentum) * m, m being the
    mean of a batch; the first is that of its first batch. They are part of a training's state, and are the same on
    every rank, since each of them computes the loss of the whole batch. With `momentum` None there are none.
    """

    ranking: Loss
    weight: float
    penalty: Literal["mean", "subspace"]
    directions: int
    momentum: float | None
    means: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: DebiasSettings, train: TrainSettings) -> "Debias":
        """The loss with InfoNCE of `train.temperature`, or of those of the kinds of batches."""
        ranking = by_kind(lambda _, fit: InfoNce(fit.temperature))(settings, train)
        return cls(ranking, settings.weight, settings.penalty, settings.directions, settings.momentum)

    @property
    def needs(self) -> Needs:
        """What the ranking needs."""
        return self.ranking.needs

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row, float32 (b). The running means move on by the batch, after it was judged by them."""
        of_language = language_embeddings(embeddings, batch)
        own = {code: embedding_nh.mean(0) for code, embedding_nh in of_language.items()}
        # In the order of their names: a training that goes on adds them up as one that was not interrupted.
        known = dict(sorted({**self.means, **own}.items()))
        if self.penalty == "mean":
            penalty = mean_penalty(known, own)
        else:
            penalty = subspace_penalty(known, torch.cat(list(of_language.values())), self.directions)
        self._move(own)
        return self.ranking(embeddings, batch) + self.weight * penalty

    def _move(self, own: Mapping[str, Tensor]) -> None:
        if self.momentum is not None:
            for code, mean_h in own.items():
                before_h = self.means.get(code, mean_h.detach())
                self.means[code] = self.momentum * before_h + (1 - self.momentum) * mean_h.detach()

    def state(self) -> dict[str, Tensor]:
        """The running means, by language."""
        return dict(self.means)

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """The inverse of `state`."""
        self.means.clear()
        self.means.update({code: mean_h.to(device) for code, mean_h in state.items()})


def language_embeddings(embeddings: Embeddings, batch: LossBatch) -> dict[str, Tensor]:
    """The questions and passages of each language of a batch (n of it, h), by language in the order of their names.
    Hard negatives are left out: they may be in any language."""
    embedding_nh = torch.cat([embeddings.query_bh, embeddings.candidate_ch[: len(batch.pairs)]])
    language_n = [asked for asked, _ in batch.pairs] + [answered for _, answered in batch.pairs]
    rows: dict[str, list[int]] = {code: [] for code in sorted(set(language_n))}
    for row, code in enumerate(language_n):
        rows[code].append(row)
    return {code: embedding_nh[rows_of] for code, rows_of in rows.items()}


def mean_penalty(known: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> Tensor:
    """The mean over the batch's languages B of |m_l - c|^2, c being the mean of the means of all known languages.

    `own` are the means m_l of the languages of the batch (h), with gradients; `known` has them, too, and the running
    means of others, as constants. In [0, 4); 0 with one known language. It vanishes if and only if the centres that
    `center` subtracts afterwards (Libovicky et al. 2020, arXiv 2004.05160, section 3) are one and the same.
    """
    centre_h = torch.stack(list(known.values())).mean(0)
    return torch.stack([(mean_h - centre_h).square().sum() for mean_h in own.values()]).mean()


def subspace_penalty(known: Mapping[str, Tensor], embedding_nh: Tensor, directions: int) -> Tensor:
    """The mean over the batch's questions and passages of |V^T x|^2, in [0, 1].

    V (h, r) are the first right singular vectors of the known languages' means less the mean of these: the directions
    in which languages differ most, as constants. Yang et al. 2021, arXiv 2109.04727, project directions of languages
    out of finished embeddings, the first principal component of each; here they lose their length while the encoder
    is trained, and are those between the languages. Of l languages there are at most l - 1; 0 with one.
    """
    with torch.no_grad():
        mean_lh = torch.stack(list(known.values())).double()
        _, size_r, direction_rh = torch.linalg.svd(mean_lh - mean_lh.mean(0), full_matrices=False)
        kept = int((size_r > SMALLEST * size_r[0]).sum()) if len(known) > 1 else 0
        direction_rh = direction_rh[: min(kept, directions)].to(embedding_nh.dtype)
    along_nr: Tensor = embedding_nh @ direction_rh.T
    return along_nr.square().sum(1).mean()

"""How line-parallel files are divided into documents, and the documents into those to train and to evaluate on."""

from sweep.settings.base import Probability, Section


class DocumentSplit(Section):
    """`documents`: the file that names each line's document; null: each file is one document. `train_share`: the
    share of documents, by a hash of their names, that is for training; the others are for evaluation. Both have to be
    the same for the training data and the benchmark of one corpus."""

    documents: str | None
    train_share: Probability

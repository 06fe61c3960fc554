"""Derives tests/golden/ernie_m: what transformers 4.40.2, which still has ERNIE-M, makes of texts and tokens.

In an environment of its own (Python 3.11): pip install transformers==4.40.2 torch==2.3.1 sentencepiece 'numpy<2';
then: python scripts/ernie_m_golden.py tests/golden/ernie_m. A SentencePiece model
is trained on the texts in texts.json there.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

LIMIT = 48
CONFIG = {
    "vocab_size": 0, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48,
    "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "act_dropout": 0.0,
    "max_position_embeddings": 514, "pad_token_id": 1, "layer_norm_eps": 1e-05,
}  # fmt: skip
SEQUENCES = [[0, 5, 9, 14, 77, 2], [0, 2], [0, *range(10, 60), 2]]


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Random float32 arrays, the same wherever they are drawn: by name, in the order of names."""
    import numpy as np

    generator = np.random.default_rng(7)
    return {
        name: (generator.standard_normal(shapes[name]) * 0.3 + ("norm" in name and name.endswith("weight"))).astype(
            np.float32
        )
        for name in sorted(shapes)
    }


def main(folder: Path) -> None:
    """Write the SentencePiece model, the vocabulary, and what they and a random encoder give."""
    import sentencepiece  # type: ignore[import-not-found, unused-ignore]
    import torch
    import transformers

    old: Any = transformers  # another version than the project's

    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        corpus = [text for text in texts[4:-5] if "▁" not in text and "[" not in text and "龘" not in text] * 8
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus), model_prefix=f"{place}/sentencepiece.bpe", vocab_size=1000,
            hard_vocab_limit=False,
            model_type="unigram", character_coverage=0.985, split_by_number=False, split_by_unicode_script=False,
        )  # fmt: skip
        file = Path(place) / "sentencepiece.bpe.model"
        processor = sentencepiece.SentencePieceProcessor(model_file=str(file))
        pieces = [processor.id_to_piece(place) for place in range(3, processor.get_piece_size())]
        single = sorted({one for piece in pieces for one in piece} - set(pieces))
        runs = ["2022", "24", "13", "50", "1147", "abc", "123"]
        vocabulary = list(dict.fromkeys(["[CLS]", "[PAD]", "[SEP]", "[UNK]", *pieces[::-1], *single[::2], *runs]))
        vocabulary.append("[MASK]")
        (Path(place) / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        tokenizer = old.ErnieMTokenizer(str(file), str(Path(place) / "vocab.txt"))
        rows = []
        for text in texts:
            cut = tokenizer(text, truncation=True, max_length=LIMIT)["input_ids"]
            rows.append({"text": text, "ids": tokenizer(text)["input_ids"], "cut": cut})
        with (folder / "sentencepiece.bpe.model.gz").open("wb") as out:
            out.write(gzip.compress(file.read_bytes(), 9, mtime=0))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = {**CONFIG, "vocab_size": len(vocabulary)}
    model = old.ErnieMModel(old.ErnieMConfig(**config)).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights(shapes).items()})
    states, pooled = [], []
    with torch.no_grad():
        for ids in SEQUENCES:
            output = model(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)))
            states.append(output.last_hidden_state[0][[0, len(ids) // 2, -1]].tolist())
            pooled.append(output.pooler_output[0].tolist())
        length = max(map(len, SEQUENCES))
        padded = torch.tensor([ids + [1] * (length - len(ids)) for ids in SEQUENCES])
        output = model(padded, attention_mask=(padded != 1).float())
    assert torch.allclose(output.last_hidden_state[0, 0], torch.tensor(states[0][0]), atol=1e-5)
    content = {
        "limit": LIMIT, "texts": rows, "config": {**config, "model_type": "ernie_m"}, "sequences": SEQUENCES,
        "shapes": {name: list(shape) for name, shape in shapes.items()}, "states": states, "pooled": pooled,
    }  # fmt: skip
    (folder / "expected.json").write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Public corpora: origin, licence and checksums, and their verified download into the user's cache."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from sweep.errors import InputError

LAREQA = "https://raw.githubusercontent.com/google-research-datasets/lareqa"


@dataclass(frozen=True)
class Corpus:
    """A public corpus: one `<language>.json` a language under `url`, with the SHA-256 of each."""

    name: str
    url: str
    licence: str
    citation: str
    sha256: dict[str, str]


CORPORA = {
    corpus.name: corpus
    for corpus in (
        Corpus(
            name="xquad_r",
            url=f"{LAREQA}/9bc8c7fb6dd8d01d72a05a93c2cb96882b0d299c/xquad-r/",
            licence="CC BY-SA 4.0",
            citation="Roy et al. 2020, LAReQA, arXiv 2004.05484",
            sha256={
                "ar": "c52922d3b8ac1ae03ed5ac38647ad59870dca3dda2beefe18ecdc30729acb69d",
                "de": "16fb0f4bf4916154b585a20c24c66074591c9718a1affe764ff4697572328949",
                "el": "163fd43ee785a30eb534ae2061e9eaa766a7ee4e8ffce5e4b422480c150f64b6",
                "en": "7b0954f39297c27a31fef610f0883337dd2907fa8699151dc922afdd0fa12ffe",
                "es": "f8e836b2d91009c4363e04315f7ede363eedbbb49c67dda60de6c4aa782f58de",
                "hi": "ea45ba8ae4513d1533b222bebdc02a90bc319c055d3aeea68584a053d2e92872",
                "ru": "7f4dff853538b9a5fcc28c070b8bb983a5c5d190ac747b8e005a1ada9cab18f1",
                "th": "c3a041864c3a9fb0b4dd91cfdf99cf36b411b3e704c58a303c97bc6dc786cfe4",
                "tr": "f3e8c13002bbce154a4578f535f7533cb70f3da08840e6b62735935baec7bd94",
                "vi": "e35926bf5cc6fc6ecbdfca49467aabeb454f08d152d7818143a906bd31dde995",
                "zh": "80c2cde7b9c2fb134c303cbb52f2ba396ead9eb0014aec43993543d2ba9e93ed",
            },
        ),
        Corpus(
            name="mlqa_r",
            url=f"{LAREQA}/5405d2a77e83d5ccb47623a3f9e5604c3f103193/mlqa-dev-r/",
            licence="CC BY-SA 3.0",
            citation="Roy et al. 2020, LAReQA, arXiv 2004.05484; Lewis et al. 2020, MLQA, arXiv 1910.07475",
            sha256={
                "ar": "2132fbc03208535c0fe01f2e2c5121d06f9c2aa799af93b0a719dbc105bdf137",
                "de": "ce9454dc5aa6f2d85c23cd6e49cb367fbb7c4c6e62d7f71e355c6b5dae4d0886",
                "en": "fedd9a5cc0848dda80caf84aa36f482adaae230526a3f6e9e86926a93ef3b1e4",
                "es": "70ecba276b8c96a692b120693a595d076ce94ad21d4b28311538a9fcbfe0f9d7",
                "hi": "4dd0fb3c06f737a5481d705bc1dcac7876712a5815c9265908fbb3a0696cb654",
                "vi": "9d3baff6ba03e6793b25594217265ea59a136b9733833dca8a9582a84a78ff85",
                "zh": "57f01d2fff50cf3392805635b01445339f225ad5bf28ba8443b12f8dbd1e69dc",
            },
        ),
    )
}


def fetch(corpus: Corpus, languages: tuple[str, ...], cache: Path, key: str) -> Path:
    """The folder with the languages' verified files; what is missing is downloaded, with a progress bar.

    `key` is the config section to name in the mend. Raises InputError if a file cannot be had or has a wrong sum.
    """
    folder = cache / corpus.name
    downloads = pooch.create(
        folder,
        corpus.url,
        registry={f"{code}.json": f"sha256:{corpus.sha256[code]}" for code in languages},
        retry_if_failed=1,
    )
    pooch.get_logger().setLevel("WARNING")
    mend = f"with the files in a local folder, add {key}.path=FOLDER"
    if any(not (folder / f"{code}.json").exists() for code in languages):
        print(f"Downloading {corpus.name} ({corpus.licence}; {corpus.citation})", file=sys.stderr)
    for code in languages:
        try:
            downloads.fetch(f"{code}.json", downloader=pooch.HTTPDownloader(progressbar=True, timeout=30))
        except ValueError as error:
            raise InputError(
                f"{corpus.url}{code}.json: the download does not have the expected SHA-256 (truncated or changed on "
                f"the way); run again, or {mend}"
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise InputError(f"{corpus.url}{code}.json: cannot be downloaded ({_reason(error)}); {mend}") from error
    return folder


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection to the server"
    return str(error) or type(error).__name__

"""Several sources of training data, read in the order of their names; their translation groups are apart."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sweep.data.reader import TrainingReader
from sweep.data.remarks import Remark
from sweep.data.training_row import LanguagesLacking, TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import LanguageSettings, MixData, SourceSettings
from sweep.settings.wording import listed

_KEY = re.compile(r"\bdata\.(?=[a-z_.]+=)")  # as a source's messages name its keys


class MixTraining:
    """Reader of `data.kind=mix`, with the readers of the other kinds."""

    def __init__(self, readers: Mapping[str, TrainingReader]) -> None:
        self._readers = readers

    def open(self, settings: MixData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """Every source in those of its languages that are in `languages.train`. Raises InputError, also for a source
        that has none of them."""
        sources = {name: self._opened(name, source, languages, cache) for name, source in settings.sources.items()}

        def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
            present: set[str] = set()
            for name, rows in sources.items():
                of_source: list[Remark] = []
                for row in _rows(name, rows, of_source):
                    present.update((row.language, row.passage_language))
                    yield row
                remarks += [remark._replace(text=f"{name}: {remark.text}") for remark in of_source]
            lacking = [code for code in languages.train if code not in present]
            if lacking:
                raise LanguagesLacking(
                    f"data.sources: none of {listed(sources)} has a row in {listed(lacking)}; remove it from "
                    "languages.train"
                )

        files = tuple(file for rows in sources.values() for file in rows.files)
        return TrainingRows("data 'mix'", files, read)

    def languages(self, settings: MixData) -> tuple[str, ...] | None:
        """Those of all sources; None if only the rows of one say."""
        of_sources = [self._readers[source.kind].languages(source) for source in settings.sources.values()]
        known = [codes for codes in of_sources if codes is not None]
        return tuple(sorted(set().union(*known))) if len(known) == len(of_sources) else None

    def _opened(self, name: str, source: SourceSettings, languages: LanguageSettings, cache: Path) -> TrainingRows:
        reader = self._readers[source.kind]
        try:
            there = reader.languages(source)
            train = tuple(code for code in languages.train if there is None or code in there)
            if not train:
                raise InputError(
                    f"it has none of languages.train ({listed(languages.train)}); it has: {listed(there or ())}"
                )
            return reader.open(source, languages.model_copy(update={"train": train}), cache)
        except InputError as error:
            raise _of_source(name, error) from error


def _rows(name: str, rows: TrainingRows, remarks: list[Remark]) -> Iterator[TrainingRow]:
    """The rows of a source, with its name. Raises InputError that names it."""
    empty = True
    try:
        for row in rows.read(remarks):
            empty = False
            yield row._replace(group=f"{name}/{row.group}", source=name)
    except LanguagesLacking as error:
        if empty:
            raise _of_source(name, error) from error
    except InputError as error:
        raise _of_source(name, error) from error


def _of_source(name: str, error: InputError) -> InputError:
    """The error, with the name of the source and its own keys."""
    return InputError(f"data.sources.{name}: {_KEY.sub(f'data.sources.{name}.', str(error))}")

"""Translation memories (TMX 1.1 to 1.4b): units with a segment in each of several languages.

Read by a parser that expands no entities (defusedxml) and keeps one unit in memory.
"""

import gzip
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from sweep.data.parallel_files import visible
from sweep.data.parallel_lines import Source, Unit
from sweep.errors import InputError
from sweep.settings.language import named_language

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_TEXT_INSIDE = ("hi", "sub")  # the other elements of a segment hold codes of the format it comes from


def tmx_files(folder: Path) -> list[Path]:
    """The `.tmx` and `.tmx.gz` files of a folder."""
    return [file for file in visible(folder) if file.name.lower().endswith((".tmx", ".tmx.gz")) and not file.is_dir()]


def tmx_source(file: Path) -> Source:
    """The units of a file, which is one document."""
    return Source(file.name, {}, (file,), lambda languages: tmx_units(file, languages))


def tmx_units(file: Path, languages: Collection[str] | None) -> Iterator[Unit]:
    """Units with their segments in these languages, or in all (None).

    A segment in a territory's form of a language is one in the language (`EN-GB` in `en`), unless that very form is
    asked for. Of several in one language the first counts.
    Raises InputError if the file is no TMX, is cut short, or declares entities.
    """
    number = 0
    for element in _ended(file):
        if element.tag == "tu":
            number += 1
            texts = _texts(element, file, number, languages)
            yield Unit(number, file.name, texts, dict.fromkeys(languages or texts, f"{file}: unit {number}"))


def _ended(file: Path) -> Iterator[Element]:
    """Each child of the body, when it is complete; it is forgotten afterwards."""
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as source:
            way: list[Element] = []
            for event, element in iterparse(source, events=("start", "end"), forbid_dtd=False):
                if event == "start":
                    if not way and element.tag != "tmx":
                        raise InputError(f"{file}: is no TMX: it begins with <{element.tag[:40]}>, not with <tmx>")
                    way.append(element)
                    continue
                way.pop()
                if len(way) == 2:
                    yield element
                if 0 < len(way) <= 2:
                    way[-1].remove(element)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except DefusedXmlException as error:
        raise InputError(
            f"{file}: declares an XML entity, which could make a small file fill the memory; replace it by its text"
        ) from error
    except ParseError as error:
        line, column = error.position
        what = str(error).partition(":")[0]
        raise InputError(f"{file}:{line}: is not well-formed XML at column {column + 1} ({what})") from error
    except (ValueError, LookupError) as error:  # an encoding that the parser does not know
        raise InputError(f"{file}: cannot be read as XML ({error}); convert it to UTF-8") from error
    except EOFError as error:
        raise InputError(f"{file}: is cut short; fetch it again") from error
    except (OSError, zlib.error) as error:
        raise InputError(f"{file}: cannot be read ({error}); fetch it again if it is damaged") from error


def _texts(unit: Element, file: Path, number: int, languages: Collection[str] | None) -> dict[str, str]:
    exact: dict[str, str] = {}
    of_territory: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        tag = variant.get(_LANG) or variant.get("lang")
        if not tag:
            raise InputError(f"{file}: unit {number}: has a <tuv> without xml:lang")
        segment = variant.find("seg")
        code = named_language(tag.strip())
        text = " ".join(_text(segment).split()) if segment is not None else ""
        if code is None or not text:
            continue
        if languages is None or code in languages:
            exact.setdefault(code, text)
        elif (general := _general(code)) in languages:
            of_territory.setdefault(general, text)
    return of_territory | exact


def _general(code: str) -> str:
    """The language without its territory: `pt` of `pt_BR`, `zh_Hant` of `zh_Hant_TW`."""
    parts = code.split("_")
    return "_".join(parts[:-1]) if len(parts) > 1 and len(parts[-1]) < 4 else code


def _text(segment: Element) -> str:
    parts: list[str] = []
    waiting: list[Element | str] = [segment]  # no recursion: a file may nest as deeply as it likes
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        inside: list[Element | str] = [item.text or ""]
        for child in item:
            inside += [child] if child.tag in _TEXT_INSIDE else []
            inside.append(child.tail or "")
        waiting += reversed(inside)
    return "".join(parts)

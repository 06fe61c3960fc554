"""Text files as they come: UTF-8, with or without a byte order mark, and a message for any other encoding."""

import codecs
from pathlib import Path

from sweep.errors import InputError

_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # those of UTF-32 begin with them, or with two zero bytes


def utf8_text(file: Path) -> str:
    """The whole file, without a byte order mark. Raises InputError if it cannot be read or is not UTF-8."""
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror})") from error
    if content.startswith(_MARKS) or b"\0" in content[:4]:
        raise InputError(f"{file}: is in UTF-16 or UTF-32; convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise InputError(f"{file}: ends within a character: it is cut short; fetch it again") from error
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise InputError(
            f"{file}: line {line}, byte {column} (0x{content[error.start]:02x}) is not UTF-8; convert the "
            "file, if it is in Latin-1 or Windows-1252 with iconv -f CP1252 -t UTF-8"
        ) from error

"""The script that draws a page's charts: Vega, Vega-Lite and Vega-Embed in one piece, to be inlined."""

from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pooch

from sweep.records.files import replacing_file
from sweep.records.sealed import seal, sealed_content

PACKAGE = "vl-convert-python"


@cache
def vega_script(folder: Path | None = None) -> str:
    """A classic script that sets window.vegaEmbed, safe inside a script element.

    Bundling it takes seconds, so it is kept in `folder` (the user's cache folder if none is named) for as long as the
    package that it comes from has the same version. A folder that cannot be written to costs these seconds only.
    """
    kept = (folder or Path(pooch.os_cache("multilingual-ratio-sweep"))) / f"vega-{version(PACKAGE)}.js"
    content = None
    with suppress(OSError):
        content = sealed_content(kept)
    if content is not None:
        return bytes(content).decode("utf-8")
    script = _bundled()
    with suppress(OSError), replacing_file(kept) as draft:
        draft.write_text(script, encoding="utf-8", newline="")
        seal(draft)
    return script


def _bundled() -> str:
    from vl_convert import javascript_bundle  # loads a JavaScript engine

    # As a module its names would be those of the page. What ends a script element may stand in its strings alone.
    bundle = str(javascript_bundle())  # type: ignore[call-arg]  # its snippet is optional, whatever its types say
    body = bundle.replace("</script", r"<\/script").replace("<!--", r"<\!--")
    return f"(function () {{\n{body}\n}})();"

"""XML of strangers, read as a stream: no document type, no entities, nothing fetched, and limits on depth and length (RELIABILITY C-08)."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from webapp.mail.unpack import ReportRefused

MAX_DEPTH = 32
#: characters of text in one element
MAX_TEXT = 4000


def read_xml(data: bytes, on_end: Callable[[tuple[str, ...], str], None]) -> None:
    """Calls on_end(path, text) at the end of each element; path holds the names from the root down, in lower case without namespaces.

    raises  ReportRefused for a document type, an entity, deep nesting, and what is no XML
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    path: list[str] = []
    texts: list[list[str]] = []
    room: list[int] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        if len(path) >= MAX_DEPTH:
            raise ReportRefused("The report nests deeper than reports do.")
        path.append(name.rpartition(" ")[2][:100].lower())
        texts.append([])
        room.append(MAX_TEXT)

    def end(_name: str) -> None:
        on_end(tuple(path), "".join(texts.pop()).strip())
        room.pop()
        path.pop()

    def text(piece: str) -> None:
        if room and room[-1] > 0:
            texts[-1].append(piece[: room[-1]])
            room[-1] -= len(piece)

    def refuse(*_anything: object) -> None:
        raise ReportRefused("The report declares a document type or an entity, which reports do not have.")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse  # type: ignore[assignment]
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ReportRefused(f"The report is not well-formed XML (line {error.lineno}).") from None
    except (ValueError, LookupError) as error:
        if isinstance(error, ReportRefused):
            raise
        raise ReportRefused("The report is written in a charset that XML readers do not know.") from None

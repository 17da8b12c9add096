"""A workbook (XLSX, ECMA-376 part 1 section 18) made while it is sent: one pass, a few rows in memory, any number of rows. Pure.

    for piece in pieces(titles, batches): …

Texts stand in the cells themselves (inline strings), so no table of texts grows meanwhile, and no cell is a formula. A text that would
become one when somebody edits the cell is marked as quoted (`quotePrefix`), which every spreadsheet keeps as text and shows as it is.
A sheet ends where spreadsheets end; the next one goes on with the same titles.
"""

import re
import zipfile
from collections.abc import Generator, Iterable, Sequence
from typing import Any

from webapp.audit.export import harmless

#: rows of a sheet, letters of a cell: what spreadsheets take
MOST_ROWS, MOST_LETTERS = 1_048_576, 32_767
#: bytes of a sheet before it is packed; beyond 2 GiB a ZIP archive needs an extension that spreadsheets do not read
MOST_BYTES = 1_500_000_000
TITLE, QUOTED = ' s="1"', ' s="2"'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
#: sheets are all that is not named, so that their number need not be known at the beginning
_TYPES = (
    f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    f'relationships+xml"/><Default Extension="xml" ContentType="{_KIND}.worksheet+xml"/><Override PartName="/xl/workbook.xml" '
    f'ContentType="{_KIND}.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/></Types>'
)
_ROOT = (
    f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
    f'Target="xl/workbook.xml"/></Relationships>'
)
#: plain, bold, quoted
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/>'
    '<name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill '
    'patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="3">'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" '
    'applyFont="1"/><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1"/></cellXfs><cellStyles count="1">'
    '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_SHEET = (
    f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" '
    'activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>'
)
_END = "</sheetData></worksheet>"
#: what no cell may hold: signs that are none in XML, halves of letters; what must be written otherwise
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[&<>\x00-\x1f\ud800-\udfff\ufffe\uffff]|_x[0-9A-Fa-f]{4}_")
_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")


class _Sink:
    """Where the archive is written to; what is in it is taken out piece by piece."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def write(self, data: Any) -> int:
        self.held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def taken(self) -> bytes:
        found, self.held = b"".join(self.held), []
        return found


def pieces(titles: Sequence[str], batches: Iterable[Sequence[Sequence[Any]]], *, raw: bool = False) -> Generator[bytes]:
    """The file. batches: rows of texts and numbers; raw: texts that look like formulas are not marked"""
    sink, sheets = _Sink(), 0
    head = _rows([titles], TITLE, raw=True)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:  # type: ignore[call-overload]
        for name, text in (("[Content_Types].xml", _TYPES), ("_rels/.rels", _ROOT), ("xl/styles.xml", _STYLES)):
            archive.writestr(name, text)
        left: Any = iter(batches)
        waiting: Sequence[Sequence[Any]] | None = next(left, None)
        while waiting is not None or not sheets:
            sheets += 1
            number, size = 1, 0
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w") as sheet:
                sheet.write((_SHEET + head).encode())
                while waiting is not None and number < MOST_ROWS and size < MOST_BYTES:
                    some, rest = waiting[: MOST_ROWS - number], waiting[MOST_ROWS - number :]
                    data = _rows(some, raw=raw).encode()
                    sheet.write(data)
                    number, size = number + len(some), size + len(data)
                    waiting = rest if rest else next(left, None)
                    yield sink.taken()
                sheet.write(_END.encode())
        archive.writestr("xl/workbook.xml", _book(sheets))
        archive.writestr("xl/_rels/workbook.xml.rels", _relations(sheets))
    yield sink.taken()


def _rows(rows: Iterable[Sequence[Any]], style: str = "", *, raw: bool) -> str:
    return "".join([f"<row>{''.join([_cell(value, style, raw) for value in row])}</row>" for row in rows])


def _cell(value: Any, style: str, raw: bool) -> str:
    if value == "":
        return "<c/>"
    if isinstance(value, int | float):
        return f"<c{style}><v>{value}</v></c>"
    text = value[:MOST_LETTERS]
    if not raw and harmless(text) != text:
        style = QUOTED
    if _SPECIAL.search(text):
        text = _ESCAPED.sub("_x005F_", _FORBIDDEN.sub("", text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f'<c t="inlineStr"{style}><is><t xml:space="preserve">{text}</t></is></c>'


def _book(sheets: int) -> str:
    names = [f'name="Contacts{f" {number}" if number > 1 else ""}" sheetId="{number}"' for number in range(1, sheets + 1)]
    each = "".join(f'<sheet {name} r:id="rId{number}"/>' for number, name in enumerate(names, 1))
    return f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{each}</sheets></workbook>'


def _relations(sheets: int) -> str:
    parts = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, sheets + 1)] + [("styles", "styles.xml")]
    named = enumerate(parts, 1)
    each = "".join(f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{place}"/>' for number, (kind, place) in named)
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{each}</Relationships>'

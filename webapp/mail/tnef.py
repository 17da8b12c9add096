"""What Outlook packs into `winmail.dat`: the files, and the formatted body, of a TNEF stream.

Never raises; stops at the first thing that makes no sense. Sizes are checked against what is there before anything is cut.

source  [MS-OXTNEF] sections 2.1.3 (stream, attributes) and 2.1.3.4 (encapsulated properties)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from webapp.mail.charsets import decode_text

SIGNATURE, MAX_FILES = 0x223E9F78, 200
#: the name that the formatted body is given
BODY = "body.rtf"
_RENDERING, _TITLE, _DATA, _ATTACHMENT, _MESSAGE = 0x00069002, 0x00018010, 0x0006800F, 0x00069005, 0x00069003
_CONTENT, _RTF = 0x3701, 0x1009
_NAMES = {0x3707: "long", 0x3001: "display", 0x3704: "short"}
_FIXED = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}
_TEXT8, _TEXT16, _OBJECT, _BINARY = 30, 31, 13, 258
#: what every compressed RTF may refer back to ([MS-OXRTFCP] section 2.1.2.1)
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbolArial"
    b"Times New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def files(data: bytes) -> list[tuple[str, bytes]]:
    """(name as written, content) of each file, in order, the formatted body last as `body.rtf`; [] for what is no TNEF."""
    found: list[dict[str, bytes | str]] = []
    body = b""
    for attribute, value in _attributes(data):
        if attribute == _RENDERING:
            if len(found) >= MAX_FILES:
                break
            found.append({})
        elif attribute == _MESSAGE:
            body = next((_unpacked(text) for name, text in _properties(value) if name == _RTF), body)
        elif not found:
            continue
        elif attribute == _TITLE:
            found[-1]["title"] = _word(value)
        elif attribute == _DATA:
            found[-1]["data"] = value
        elif attribute == _ATTACHMENT:
            _describe(found[-1], value)
    named = [next((str(one[key]) for key in ("long", "title", "display", "short") if one.get(key)), "") for one in found]
    listed = zip(named, (one.get("data", b"") for one in found), strict=True)
    result = [(name, content) for name, content in listed if isinstance(content, bytes)]
    return [*result, (BODY, body)] if body else result


def _describe(one: dict[str, bytes | str], value: bytes) -> None:
    for name, content in _properties(value):
        if name in _NAMES and content:
            one[_NAMES[name]] = _word(content)
        elif name == _CONTENT and "data" not in one:
            one["data"] = content


def _word(value: bytes) -> str:
    """A name: Windows bytes or UTF-16, up to its NUL."""
    if len(value) >= 2 and value[1:2] == b"\x00" and len(value) % 2 == 0 and value[:1] != b"\x00":
        return value.decode("utf-16-le", "replace").partition("\x00")[0]
    return decode_text(value.partition(b"\x00")[0], None)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != SIGNATURE:
        return
    position = 6
    while position + 9 <= len(data):
        attribute, size = struct.unpack_from("<II", data, position + 1)
        start = position + 9
        if size > len(data) - start:
            return
        yield attribute, data[start : start + size]
        position = start + size + 2


def _properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(property id, first value) of an encapsulated property list; texts of UTF-16 and of eight bits alike as bytes."""
    try:
        yield from _read_properties(data)
    except (struct.error, IndexError):
        return


def _read_properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    count, position = struct.unpack_from("<I", data)[0], 4
    for _ in range(min(count, 2000)):
        kind, name = struct.unpack_from("<HH", data, position)
        position += 4
        if name >= 0x8000:  # named: a GUID, then a number or a name
            by_name = struct.unpack_from("<I", data, position + 16)[0]
            position += 20
            position += 4 + (_even(struct.unpack_from("<I", data, position)[0]) if by_name else 0)
        several, kind = bool(kind & 0x1000), kind & 0x0FFF
        if kind in _FIXED and not several:
            yield name, data[position : position + _FIXED[kind]]
            position += _FIXED[kind]
            continue
        if kind not in _FIXED and kind not in (_TEXT8, _TEXT16, _OBJECT, _BINARY):
            return
        values = struct.unpack_from("<I", data, position)[0]
        position += 4
        for number in range(min(values, 1000)):
            size = _FIXED[kind] if kind in _FIXED else struct.unpack_from("<I", data, position)[0]
            position += 0 if kind in _FIXED else 4
            if size > len(data) - position:
                return
            if number == 0:
                value = data[position : position + size]
                yield name, value[16:] if kind == _OBJECT else value
            position += _even(size)


def _even(size: int) -> int:
    return size + -size % 4


def _unpacked(data: bytes) -> bytes:
    """RTF out of its compressed form ([MS-OXRTFCP]); what is not compressed comes back as it is, what is broken as far as it goes."""
    if len(data) < 16:
        return b""
    size, kind = struct.unpack_from("<I", data, 4)[0], data[8:12]
    if kind == b"MELA":
        return data[16 : 16 + size]
    if kind != b"LZFu" or size > 20 * len(data) + 4096:
        return b""
    window = bytearray(_DICTIONARY.ljust(4096, b"\x00"))
    write, position, out = len(_DICTIONARY), 16, bytearray()
    while position < len(data) and len(out) < size:
        control = data[position]
        position += 1
        for bit in range(8):
            if position >= len(data) or len(out) >= size:
                break
            if control >> bit & 1:
                if position + 1 >= len(data):
                    return bytes(out)
                token = data[position] << 8 | data[position + 1]
                position += 2
                offset, length = token >> 4, (token & 15) + 2
                if offset == write:
                    return bytes(out)
                piece = [(offset + step) & 4095 for step in range(length)]
            else:
                window[write] = data[position]
                piece = [write]
                position += 1
            for at in piece:
                byte = window[at]
                out.append(byte)
                window[write] = byte
                write = write + 1 & 4095
    return bytes(out[:size])

"""Reports come packed: one gzip or zip file is opened, as far as a report may go and not a byte further (RELIABILITY C-08)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

#: bytes of a report after unpacking
MAX_OUTPUT = 25 * 1024 * 1024
#: files in one zip, and members in one gzip
MAX_MEMBERS = 10
_CHUNK = 65_536
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"


class ReportRefused(ValueError):
    """The report is not read; the sentence says why. The mail that it came with can still be shown."""


def unpack(data: bytes, most: int = MAX_OUTPUT) -> bytes:
    """What a gzip or zip file holds; other bytes as they are.

    raises  ReportRefused when there is more than `most` bytes, too many members, another packed file inside, a password, or damage
    """
    if data.startswith(_GZIP):
        plain = _gunzip(data, most)
    elif data.startswith((_ZIP, b"PK\x05\x06")):
        plain = _unzip(data, most)
    else:
        plain = data
        if len(plain) > most:
            raise _too_long(most)
    if plain is not data and plain.startswith((_ZIP, _GZIP)):
        raise ReportRefused("The report is packed more than once.")
    return plain


def _gunzip(data: bytes, most: int) -> bytes:
    pieces: list[bytes] = []
    size, rest = 0, data
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(31)
        while not member.eof:
            try:
                piece = member.decompress(rest, most - size + 1)
            except zlib.error:
                raise ReportRefused("The gzip file of the report is damaged.") from None
            size += len(piece)
            pieces.append(piece)
            if size > most:
                raise _too_long(most)
            rest = member.unconsumed_tail
            if not piece and not rest and not member.eof:
                raise ReportRefused("The gzip file of the report ends before its end.")
        rest = member.unused_data
        if not rest.startswith(_GZIP):  # padding and line ends behind the last member do no harm
            return b"".join(pieces)
    raise ReportRefused(f"The gzip file of the report has more than {MAX_MEMBERS} members.")


def _unzip(data: bytes, most: int) -> bytes:
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_600))
    if end < 0 or len(data) - end < 22:
        raise ReportRefused("The zip file of the report is damaged.")
    entries, directory = struct.unpack("<H", data[end + 10 : end + 12])[0], struct.unpack("<I", data[end + 12 : end + 16])[0]
    if entries > MAX_MEMBERS or directory > _CHUNK:
        raise ReportRefused(f"The zip file of the report has more than {MAX_MEMBERS} files.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX/")]
            if len(files) != 1:
                raise ReportRefused("The zip file of the report does not hold exactly one file.")
            if files[0].flag_bits & 1:
                raise ReportRefused("The zip file of the report has a password.")
            with archive.open(files[0]) as stream:
                pieces, size = [], 0
                while piece := stream.read(_CHUNK):
                    size += len(piece)
                    if size > most:
                        raise _too_long(most)
                    pieces.append(piece)
                return b"".join(pieces)
    except ReportRefused:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, struct.error, ValueError):
        raise ReportRefused("The zip file of the report is damaged.") from None


def _too_long(most: int) -> ReportRefused:
    return ReportRefused(f"The report is longer than {most // (1024 * 1024)} MB when it is unpacked.")

"""Names of blobs: relative paths of plain lower case segments, the same for every store."""

import re

_KEY = re.compile(r"(?=.{1,200}\Z)[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)*")


class BlobMissing(LookupError):
    """A blob that a row names is not there: the store was damaged or not restored with the database."""


def checked(key: str) -> str:
    """The key. raises ValueError for what is none"""
    if not _KEY.fullmatch(key):
        raise ValueError(f"not a blob key: {key!r}")
    return key

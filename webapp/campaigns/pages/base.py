"""The one blueprint of these pages, and subjects as people read them."""

import re

from flask import Blueprint

bp = Blueprint("campaigns", __name__)
_TAG = re.compile(r"""\{\{\s*([\w.]+)\s*(?:\|\s*default:\s*(?:"([^"]*)"|'([^']*)')\s*)?\}\}""")


def in_words(subject: str) -> str:
    """A subject without the signs of its merge tags: fallbacks in place, the others by name.

    >>> in_words('{{ contact.first_name | default: "Hello" }}, news of {{ contact.custom.shoe_size }}')
    'Hello, news of [shoe size]'
    """

    def said(found: re.Match[str]) -> str:
        fallback = found[2] if found[2] is not None else found[3]
        return fallback if fallback is not None else f"[{found[1].rpartition('.')[2].replace('_', ' ')}]"

    return _TAG.sub(said, subject)

"""The craft of letters as campaigns call it: compiling, the preview for one person, what an author should know."""

from webapp.mail.letter import checks, compile_letter, preview

__all__ = ["checks", "compile_letter", "preview"]

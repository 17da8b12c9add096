"""Where the lines of all parts come together: `web        | text`, in colour when a person looks on."""

import os
from collections.abc import Mapping

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)


class Console:
    """Writes to one file descriptor, unbuffered, a whole line at a time."""

    def __init__(self, fd: int = 1, environ: Mapping[str, str] = os.environ) -> None:
        self._fd = fd
        self._coloured = os.isatty(fd) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._seen: dict[str, int] = {}

    def say(self, name: str, text: str) -> None:
        """One line with the name of its part in front."""
        prefix = f"{name:<9} |"
        if self._coloured:
            # Workers share the colour of their kind: the name without its number.
            colour = self._seen.setdefault(name.partition("-")[0], _COLOURS[len(self._seen) % len(_COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self.write(f"{prefix} {text}")

    def write(self, line: str) -> None:
        """One line as it is. A reader that went away (`| head`) does not stop the server."""
        data = f"{line}\n".encode()
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            return

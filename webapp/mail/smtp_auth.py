"""AUTH PLAIN and AUTH LOGIN (RFC 4954, 4616) as asynchronous steps: an answer of the client, then one of the database."""

from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from binascii import Error as NotBase64

from webapp.mail import status

MECHANISMS = ("PLAIN", "LOGIN")
LONGEST_ANSWER = 12288


class LoginSteps(ABC):
    """Mixed into the session, which sends, reads and decides."""

    @abstractmethod
    def say(self, reply: str | bytes) -> None:
        """Send a reply."""

    @abstractmethod
    async def next_line(self, most: int) -> bytes | None:
        """The next line without its end; None when it was too long, which is answered already."""

    @abstractmethod
    async def check_login(self, username: str, password: str) -> str:
        """The reply."""

    async def log_in(self, mechanism: str, first: str | None) -> None:
        """Run the mechanism to its reply. `first` is what came along with the command."""
        if mechanism == "PLAIN":
            answer = await self._answer(first, b"")
            if answer is None:
                return
            parts = answer.split(b"\0")
            if len(parts) != 3:
                self.say(status.NO_PLAIN)
                return
            username, password = parts[1], parts[2]
        else:
            name = await self._answer(first, b"Username:")
            secret = None if name is None else await self._answer(None, b"Password:")
            if name is None or secret is None:
                return
            username, password = name, secret
        try:
            texts = username.decode(), password.decode()
        except UnicodeDecodeError:
            self.say(status.LOGIN_NOT_UTF8)
            return
        self.say(await self.check_login(*texts))

    async def _answer(self, given: str | None, challenge: bytes) -> bytes | None:
        """An answer of the client, decoded; None when a refusal was sent already."""
        if given is None:
            self.say(b"334 " + b64encode(challenge))
            line = await self.next_line(LONGEST_ANSWER)
            if line is None:
                return None
        else:
            line = b"" if given == "=" else given.encode(errors="replace")
        if line.strip() == b"*":
            self.say(status.LOGIN_GIVEN_UP)
            return None
        try:
            return b64decode(line.strip(), validate=True)
        except NotBase64:
            self.say(status.NOT_BASE64)
            return None

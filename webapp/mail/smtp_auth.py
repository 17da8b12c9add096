"""AUTH PLAIN and AUTH LOGIN as asynchronous steps: aiosmtpd's own call a synchronous authenticator, ours must ask the database."""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import MISSING, AuthResult

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP as Ground
else:
    Ground = object

HANDLED = AuthResult(success=False, handled=True)


class AuthSteps(Ground):
    """Mixed into the server; `_check_login` decides."""

    async def _check_login(self, username: str, password: str) -> AuthResult:
        raise AssertionError("the server decides")

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:
        answer = await self._first(args, "")
        if answer is None:
            return HANDLED
        parts = answer.split(b"\0")
        if len(parts) != 3:
            await self.push("501 5.5.2 AUTH PLAIN takes user and password separated by NUL")
            return HANDLED
        return await self._try(parts[1], parts[2])

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:
        username = await self._first(args, self.AuthLoginUsernameChallenge)
        if username is None:
            return HANDLED
        password = await self.challenge_auth(self.AuthLoginPasswordChallenge)
        return HANDLED if password is MISSING else await self._try(username, password)

    async def _first(self, args: list[str], challenge: str) -> bytes | None:
        """The first answer: sent along with AUTH, or asked for; None when a refusal was answered already."""
        if len(args) == 1:
            answer = await self.challenge_auth(challenge)
            return None if answer is MISSING else answer
        try:
            return b64decode(b"" if args[1] == "=" else args[1].encode(), validate=True)
        except (NotBase64, UnicodeEncodeError):
            await self.push("501 5.5.2 That is not base64")
            return None

    async def _try(self, username: bytes, password: bytes) -> AuthResult:
        try:
            return await self._check_login(username.decode(), password.decode())
        except UnicodeDecodeError:
            await self.push("501 5.5.2 User name and password are UTF-8")
            return HANDLED

"""The receiving side: an SMTP server that writes down what it stores before it answers, and misbehaves when it is told to.

    misdeeds by name; `doubt` are those after which the sender cannot know whether the mail was taken
"""

import asyncio
import json
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: what it may do to one mail, and how likely each is while trouble is on
TROUBLE: Mapping[str, float] = {
    "later_rcpt": 0.02, "later_dot": 0.02, "closing_421": 0.01, "reset_body": 0.01, "hang": 0.004, "store_reset": 0.01,
    "store_hang": 0.004, "cut_after_250": 0.01,
}  # fmt: skip
#: the body was on its way when the line broke, so the sender may be in doubt
DOUBT = frozenset({"reset_body", "hang", "store_reset", "store_hang", "cut_after_250"})
HANG_S = 4.0
KEY = re.compile(rb"^x-fault-key: *(\S+)", re.I | re.M)
MESSAGE_ID = re.compile(rb"^message-id: *(\S+)", re.I | re.M)
#: local parts of people who do not exist
UNKNOWN = "unknown-"


@dataclass(frozen=True)
class Stored:
    """One copy that the sink has taken, whether or not it could say so."""

    recipient: str
    key: str
    message_id: str
    misdeed: str


class Sink:
    """Listens on loopback in a thread of its own; `stored` is its ledger, kept in a file too."""

    def __init__(self, file: Path, seed: int) -> None:
        self.stored: list[Stored] = []
        self.misdeeds: Counter[str] = Counter()
        self.trouble: Mapping[str, float] = {}
        self.open: set[asyncio.StreamWriter] = set()
        self.connections = 0
        self._chance = random.Random(seed)
        self._file = file.open("a", encoding="utf-8")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="sink")
        self._ready = threading.Event()
        self.port = 0
        self._thread.start()
        self._ready.wait(10)

    @property
    def in_doubt(self) -> int:
        """How many mails its own misdeeds left in doubt."""
        return sum(self.misdeeds[name] for name in DOUBT)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._file.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        self.connections += 1
        try:
            await self._talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        finally:
            self.open.discard(writer)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink.test ESMTP\r\n")
        recipients: list[str] = []
        misdeed = ""
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n")
            elif verb == b"MAIL":
                recipients, misdeed = [], self._draw()
                if misdeed == "closing_421":
                    self.misdeeds[misdeed] += 1
                    writer.write(b"421 4.3.2 closing\r\n")
                    return
                writer.write(b"250 2.1.0 ok\r\n")
            elif verb == b"RCPT":
                address = line.split(b"<", 1)[1].split(b">")[0].decode()
                writer.write(self._asked_for(address, recipients, misdeed))
            elif verb == b"DATA":
                if not recipients:
                    writer.write(b"503 5.5.1 no recipients\r\n")
                elif not await self._data(reader, writer, recipients, misdeed):
                    return
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                return
            else:
                writer.write(b"250 2.0.0 ok\r\n")

    def _asked_for(self, address: str, recipients: list[str], misdeed: str) -> bytes:
        if address.startswith(UNKNOWN):
            return b"550 5.1.1 no such person\r\n"
        if misdeed == "later_rcpt":
            self.misdeeds[misdeed] += 1
            return b"450 4.2.0 come again\r\n"
        recipients.append(address)
        return b"250 2.1.5 ok\r\n"

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, recipients: list[str], misdeed: str) -> bool:
        writer.write(b"354 go ahead\r\n")
        if misdeed == "reset_body":
            await reader.readline()
            return self._reset(writer, misdeed)
        body = b""
        while (line := await reader.readuntil(b"\n")) != b".\r\n":
            body += line[1:] if line.startswith(b".") else line
        if misdeed == "later_dot":
            self.misdeeds[misdeed] += 1
            writer.write(b"451 4.3.0 come again\r\n")
            return True
        if misdeed == "hang":
            await asyncio.sleep(HANG_S)
            return self._reset(writer, misdeed)
        for recipient in recipients:
            self._store(recipient, body, misdeed)
        if misdeed in ("store_reset", "store_hang"):
            await asyncio.sleep(HANG_S if misdeed == "store_hang" else 0)
            return self._reset(writer, misdeed)
        writer.write(b"250 2.0.0 taken\r\n")
        if misdeed == "cut_after_250":
            self.misdeeds[misdeed] += 1
            await writer.drain()
            return False
        return True

    def _store(self, recipient: str, body: bytes, misdeed: str) -> None:
        key, message_id = KEY.search(body), MESSAGE_ID.search(body)
        one = Stored(recipient, key[1].decode() if key else "", message_id[1].decode() if message_id else "", misdeed)
        self._file.write(json.dumps({"at": time.time(), **vars(one)}) + "\n")
        self._file.flush()
        self.stored.append(one)

    def _draw(self) -> str:
        """What to do to the next mail; nothing without trouble."""
        at = self._chance.random()
        for name, share in self.trouble.items():
            at -= share
            if at < 0:
                return name
        return ""

    def _reset(self, writer: asyncio.StreamWriter, misdeed: str) -> bool:
        """End the connection with a RST."""
        self.misdeeds[misdeed] += 1
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

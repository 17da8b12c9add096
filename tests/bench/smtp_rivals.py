"""What SMTP intake is measured against: `python -m tests.bench.smtp_rivals KIND PORT FOLDER` serves until it is killed.

    ceiling   the least that a server of this design can do: an asyncio protocol that looks for lines and the end mark, one SQLite
              transaction (WAL, synchronous=FULL) for all messages that wait, a row and the source each, nothing around it
    aiosmtpd  the library as it comes, with one file a message: file and folder synced before 250
"""

import asyncio
import os
import queue
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from aiosmtpd.smtp import SMTP

END = b"\r\n.\r\n"
WORDS = {
    b"EHLO": b"250-ceiling\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n", b"HELO": b"250 ceiling\r\n",
    b"RSET": b"250 ok\r\n", b"NOOP": b"250 ok\r\n",
}  # fmt: skip
TABLES = """PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
CREATE TABLE messages(id INTEGER PRIMARY KEY, at REAL, sender TEXT, recipient TEXT, size INT);
CREATE TABLE sources(id INTEGER PRIMARY KEY, raw BLOB);"""


class Store:
    """A thread that makes durable what waits, as one transaction, and then tells the loop."""

    def __init__(self, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.waiting = loop, queue.SimpleQueue[tuple[str, str, bytes, Callable[[], None]]]()
        self.file = folder / "ceiling.db"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        database = sqlite3.connect(self.file, isolation_level=None)
        database.executescript(TABLES)
        last = 0
        while True:
            group = [self.waiting.get()]
            while not self.waiting.empty():
                group.append(self.waiting.get())
            now = time.time()
            rows = [(last + place, now, one[0], one[1], len(one[2])) for place, one in enumerate(group, 1)]
            sources = [(last + place, one[2]) for place, one in enumerate(group, 1)]
            last += len(group)
            database.execute("BEGIN")
            database.executemany("INSERT INTO messages VALUES(?,?,?,?,?)", rows)
            database.executemany("INSERT INTO sources VALUES(?,?)", sources)
            database.execute("COMMIT")
            self.loop.call_soon_threadsafe(tell, [one[3] for one in group])


def tell(waiters: list[Callable[[], None]]) -> None:
    for waiter in waiters:
        waiter()


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, store: Store) -> None:
        self.store, self.buffer = store, bytearray()
        self.in_data = self.busy = False
        self.sender = self.recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(b"220 ceiling ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.busy:
            self.pump()

    def pump(self) -> None:
        out: list[bytes] = []
        while self.buffer and not self.busy:
            end = self.buffer.find(END if self.in_data else b"\n")
            if end < 0:
                break
            if self.in_data:
                body = bytes(self.buffer[: end + 2]).replace(b"\r\n..", b"\r\n.")
                del self.buffer[: end + 5]
                self.in_data, self.busy = False, True
                self.store.waiting.put((self.sender, self.recipient, body, self.stored))
            else:
                line = bytes(self.buffer[:end]).rstrip()
                del self.buffer[: end + 1]
                out.append(self.obey(line))
        if out:
            self.transport.write(b"".join(out))

    def obey(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"MAIL":
            self.sender = line[10:].decode("utf-8", "replace")
            return b"250 ok\r\n"
        if word == b"RCPT":
            self.recipient = line[8:].decode("utf-8", "replace")
            return b"250 ok\r\n"
        if word == b"DATA":
            self.in_data = True
            return b"354 go\r\n"
        if word == b"QUIT":
            self.transport.write(b"221 bye\r\n")
            self.transport.close()
            return b""
        return WORDS.get(word, b"500 what\r\n")

    def stored(self) -> None:
        self.busy = False
        self.transport.write(b"250 stored\r\n")
        self.pump()


class FileAndSync:
    """A handler of aiosmtpd."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, 0

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self.number += 1
        handle = os.open(self.folder / f"{self.number}.eml", os.O_WRONLY | os.O_CREAT)
        os.write(handle, envelope.content)  # type: ignore[attr-defined]
        os.fsync(handle)
        os.close(handle)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        return "250 OK"


async def serve(kind: str, port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    if kind == "ceiling":
        store = Store(folder, loop)
        await loop.create_server(lambda: Session(store), "127.0.0.1", port, backlog=512)
    else:
        handler = FileAndSync(folder)
        await loop.create_server(lambda: SMTP(handler, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", port, backlog=512)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))

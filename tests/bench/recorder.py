"""An SMTP server for benchmarks that takes everything at once and remembers when each marked mail came."""

import re
import socket
import threading
import time

REPLIES = {b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n", b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}
MARK = re.compile(rb"\r\nSubject: probe (\d+)\r\n")


class Recorder:
    """`came[number]` is the moment (`time.perf_counter`) at which the mail with the subject `probe <number>` was whole; `count` is all."""

    def __init__(self) -> None:
        self.came: dict[int, float] = {}
        self.count = 0
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"220 sink\r\n")
        data, in_body = b"", False
        while True:
            piece = connection.recv(262_144)
            if not piece:
                return
            data += piece
            answers: list[bytes] = []
            while (end := data.find(b"\r\n.\r\n" if in_body else b"\r\n")) >= 0:
                if in_body:
                    mark = MARK.search(data, 0, min(end, 2000))
                    if mark:
                        self.came[int(mark[1])] = time.perf_counter()
                    self.count += 1
                    data, in_body = data[end + 5 :], False
                    answers.append(b"250 2.0.0 taken\r\n")
                    continue
                verb, data = data[:4].upper(), data[end + 2 :]
                answers.append(REPLIES.get(verb, b"250 2.1.0 ok\r\n"))
                in_body = verb == b"DATA"
            if answers:
                connection.sendall(b"".join(answers))

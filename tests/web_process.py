"""A web server in a process of its own, on the database and Redis of a test, so that it can be killed and asked by many at once.

    with WebProcess(app, hang=True) as server: server.request("POST", "/api/v1/tokens", token, {…}, {"Idempotency-Key": "k"})

With `hang` the server stops for a minute between an effect and its commit, once it has written the file `server.hung`.
"""

import http.client
import json
import os
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from werkzeug.serving import make_server

from tests import ready
from tests.servers import wait_until
from webapp import create_app
from webapp.core import idempotency
from webapp.settings import load_settings


class WebProcess:
    def __init__(self, app: Any, hang: bool = False, **environment: str) -> None:
        settings = app.config["SETTINGS"]
        folder = Path(tempfile.mkdtemp(prefix="mr-web-"))
        self.port_file, self.hung = folder / "port", folder / "hung"
        self.environment = {
            **os.environ,
            "MAILROOM_INSTANCE": str(settings.instance),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "MAILROOM_RATE_LIMITS": "off",
            "MAILROOM_SECRET_KEY": ",".join(settings.secret_keys),
            "MAILROOM_HOSTNAME": settings.hostname,
            "WEB_PORT_FILE": str(self.port_file),
            "WEB_HANG": str(self.hung) if hang else "",
            **environment,
        }

    def __enter__(self) -> Self:
        self.process = ready.start("tests.web_process", environ=self.environment)
        wait_until(lambda: self.port_file.exists() and self.port_file.read_text().endswith("\n"), "the web process", 30)
        self.port = int(self.port_file.read_text())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def kill(self) -> None:
        """As the kernel does it: no clean-up of any kind."""
        self.process.kill()
        self.process.wait(10)

    def request(
        self, method: str, path: str, token: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """(status, JSON, headers in lower case); raises OSError when the process dies meanwhile"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = json.dumps(body) if body is not None else None
            connection.request(
                method, path, sent, {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **(headers or {})}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), {name.lower(): value for name, value in answer.getheaders()}
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()


def main() -> None:
    app = create_app(load_settings())
    if os.environ["WEB_HANG"]:
        store = idempotency.Claim.store

        def store_and_hang(self: Any, response: Any) -> None:
            store(self, response)
            Path(os.environ["WEB_HANG"]).write_text("now")
            time.sleep(60)

        idempotency.Claim.store = store_and_hang  # type: ignore[method-assign]
    server = make_server("127.0.0.1", 0, app, threaded=True)
    Path(os.environ["WEB_PORT_FILE"]).write_text(f"{server.server_port}\n")
    server.serve_forever()


if __name__ == "__main__":
    main()

"""A server that speaks S3, for tests: rclone over a folder, with keys, on a free port; it may be stopped and come back."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.flows.installation import free_port
from tests.servers import wait_until
from webapp.core.errors import Unavailable
from webapp.core.s3 import S3Blobs

KEY, SECRET, BUCKET = "mailroom", "a/secret+with=signs", "bodies"


def program() -> str:
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise RuntimeError("rclone is not installed (.ci/s3.lock); `make test` installs it, or leave it out with WITHOUT=s3.")
    return found


class S3Server:
    """Objects are files below `folder`/bodies."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        (folder / BUCKET).mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder.with_name(f"{folder.name}.log")
        self.start()

    @property
    def url(self) -> str:
        """As MAILROOM_BLOB_URL says it."""
        return f"s3://{KEY}:{SECRET.replace('/', '%2F').replace('+', '%2B')}@{BUCKET}/raw-mail?endpoint=http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [
            program(), "serve", "s3", str(self.folder), "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}",
            "--vfs-cache-mode", "off", "--dir-cache-time", "0s", "--config", "/dev/null",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._answers, "the S3 server")

    def _answers(self) -> bool:
        try:
            return not S3Blobs.of(self.url, {}).exists("nothing")
        except Unavailable:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def objects(self) -> list[str]:
        """Keys without the prefix."""
        base = self.folder / BUCKET / "raw-mail"
        return sorted(file.relative_to(base).as_posix() for file in base.rglob("*") if file.is_file())

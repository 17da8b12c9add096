"""The installation under test: `app.py up` with its parts as processes that can be found by name, killed and started again."""

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from tests.flows.installation import OWNER, PASSWORD, Installation, wait_for
from tests.processes.living import processes

DOMAIN = "acme.test"
#: what the parts are called in the table of processes, where 15 characters are kept
PARTS = {
    "mailroom-web": "web", "mailroom-smtp": "smtp", "mailroom-worker": "worker", "mailroom-schedu": "scheduler",
    "redis-server": "redis", "valkey-server": "redis",
}  # fmt: skip


class House(Installation):
    """An installation whose parts have names: web, smtp, worker-1, worker-2, scheduler, redis, and `up` above them."""

    def __init__(self, folder: Path, *, sink_port: int, database_url: str | None, clock: bool) -> None:
        settings = {
            "MAILROOM_ADMIN_EMAIL": OWNER, "MAILROOM_ADMIN_PASSWORD": PASSWORD, "MAILROOM_TRANSPORT": f"smtp://127.0.0.1:{sink_port}",
            "MAILROOM_WEB_WORKERS": "1", "MAILROOM_WORKERS": "2",
        }  # fmt: skip
        if database_url:
            settings["DATABASE_URL"] = database_url
        super().__init__(folder, **settings)
        self.lock = threading.RLock()
        self.clock_file = folder / "clock"
        self.fakes_time = clock
        if clock:
            self.clock_file.write_text("0")
            self.environment["FAULTS_CLOCK"] = str(self.clock_file)
            self.program = "tests.faults.shifted"

    # --- its parts ---------------------------------------------------------------------------------------

    def parts(self) -> dict[str, int]:
        """The living parts below `up`: name -> process id."""
        if self.process is None:
            return {}
        found: dict[str, int] = {}
        for pid, (parent, state) in sorted(processes().items()):
            name = PARTS.get(_name_of(pid)) if parent == self.process.pid and not state.startswith("Z") else None
            if name == "worker":
                name = "worker-2" if "worker-1" in found else "worker-1"
            if name is not None:
                found[name] = pid
        return found

    def kill(self, name: str) -> bool:
        """SIGKILL; False when the part is not there at the moment."""
        pid = self.parts().get(name)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def kill_parent(self) -> None:
        """The parent dies, and all of it with it; somebody starts it again."""
        with self.lock:
            process = self.process
            assert process is not None
            process.kill()
            process.wait(10)
            self.process = None
        self.bring_up()

    def bring_up(self) -> None:
        """Start it again, as a system's service manager does: until it stands."""
        for attempt in range(5):
            try:
                self.start(60)
                return
            except AssertionError:
                if attempt == 4:
                    raise
                if self.process is not None and self.process.poll() is None:
                    self.process.kill()
                    self.process.wait(10)
                time.sleep(1)

    def set_clock(self, shift_s: float) -> None:
        """Let every clock of the installation be wrong by so many seconds."""
        draft = self.clock_file.with_suffix(".new")
        draft.write_text(str(shift_s))
        draft.rename(self.clock_file)

    # --- its set-up --------------------------------------------------------------------------------------

    def furnish(self) -> dict[str, Any]:
        """A domain, mailboxes, and routes: {token, sender: mailbox with its password}."""
        token = self.run("token", "create", "--kind", "workspace", "--expires", "30d").stdout.strip()
        assert token, "no token was made"
        with self.client(token) as api:
            domain = _data(api.post("/domains", json={"name": DOMAIN}))
            _data(api.post(f"/domains/{domain['id']}/verify", json={"by_hand": True}))
            boxes = {
                name: _data(api.post("/mailbox/", json={"domain_id": domain["id"], "local_part": name}))
                for name in ("plain", "routed", "dropped", "sender")
            }
            forward = {"name": "On", "type": "forward", "parameters": {"to": ["onward@peer.test"]}}
            action = _data(api.post("/actions/", json=forward))
            routes = {"routed": [{"action_id": action["id"]}], "dropped": []}
            for name, actions in routes.items():
                route = {"name": name, "mailbox_id": boxes[name]["id"], "match_type": "all", "rule_ids": [], "actions": actions}
                _data(api.post("/routes/", json=route))
        return {"token": token, **boxes}


def _data(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text
    return answer.json()["data"]


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


class SmallDisk:
    """A file system of its own for the instance folder, so that it can be full; only where this process may mount."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self.mounted = False
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and shutil.which("mount"):
            command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "mailroom-faults", str(folder)]
            self.mounted = subprocess.run(command, capture_output=True).returncode == 0

    def fill(self) -> Path:
        """Leave no free byte."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue
        return ballast

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)
            self.mounted = False


def stand_and_wait(house: House) -> None:
    """Until the installation answers again."""
    wait_for(house._ready, "the installation to be ready again", 60)

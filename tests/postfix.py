"""A private Postfix for tests and benchmarks: own configuration, queue, log and ports; nothing of the system's own is touched.

    with PostfixServer(folder, maildirs=["someone@example.test"]) as postfix:      # these addresses have maildirs
        smtplib.SMTP("127.0.0.1", postfix.port) ...
        postfix.mails("someone@example.test")
    PostfixServer(folder, relay="127.0.0.1:2525", options={...})         # sends everything on to another server

Needs the programs of Debian's package `postfix` and root, because Postfix runs its parts under users of its own.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.flows.installation import free_port

#: service, type, private, unprivileged, chroot, wake-up, most processes, command: what a server needs that takes, relays and delivers
SERVICES = """\
{host}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
OWNER = "nobody"


class PostfixServer:
    """Starts in `folder` (made when missing); `stop` ends every process of it.

    maildirs  addresses with a maildir (see `mails`); their domains are its own, other addresses there are refused
    relay     host:port to which all other mail goes; without it other domains are refused from strangers and looked up in DNS
    services  further lines of master.cf
    options   lines of main.cf; they win over what is set here
    """

    def __init__(
        self, folder: Path, *, maildirs: Sequence[str] = (), relay: str | None = None, host: str = "127.0.0.1", port: int | None = None,
        services: str = "", options: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.host, self.port = folder, host, port or free_port()
        self.config, self.queue, self.boxes, self.log = folder / "etc", folder / "queue", folder / "boxes", folder / "log" / "mail.log"
        for place in (folder, self.config, self.queue, self.boxes, self.log.parent, folder / "data"):
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o755)
        _let_through(folder)
        shutil.chown(folder / "data", "postfix")
        shutil.chown(self.boxes, OWNER)
        self._write(maildirs, relay, services, options or {})

    def _write(self, maildirs: Sequence[str], relay: str | None, services: str, options: dict[str, str]) -> None:
        owner = pwd.getpwnam(OWNER)
        lines = {
            "compatibility_level": "3.6", "queue_directory": str(self.queue), "data_directory": str(self.folder / "data"),
            "command_directory": str(Path(program("postfix")).parent), "daemon_directory": daemon_folder(), "mail_owner": "postfix",
            "setgid_group": "postdrop", "myhostname": "postfix.example.test", "mydestination": "", "mynetworks": "127.0.0.0/8",
            "inet_interfaces": self.host, "inet_protocols": "ipv4", "maillog_file": str(self.log),
            "maillog_file_prefixes": str(self.folder), "alias_maps": "", "alias_database": "", "in_flow_delay": "0",
            "smtpd_peername_lookup": "no", "smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0",
            "notify_classes": "", "local_recipient_maps": "", "import_environment": "MAIL_CONFIG TZ",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        }  # fmt: skip
        if maildirs:
            boxes = self.config / "boxes"
            boxes.write_text("".join(f"{address} {_box(address)}/\n" for address in maildirs))
            lines |= {
                "virtual_mailbox_domains": " ".join({address.rpartition("@")[2] for address in maildirs}),
                "virtual_mailbox_base": str(self.boxes), "virtual_mailbox_limit": "0", "virtual_minimum_uid": "1",
                "virtual_mailbox_maps": f"texthash:{boxes}",
                "virtual_uid_maps": f"static:{owner.pw_uid}", "virtual_gid_maps": f"static:{owner.pw_gid}",
            }  # fmt: skip
        if relay:
            host, _, port = relay.rpartition(":")
            lines["relayhost"] = f"[{host}]:{port}"
        text = "".join(f"{name} = {value}\n" for name, value in (lines | options).items())
        (self.config / "main.cf").write_text(text)
        (self.config / "master.cf").write_text(SERVICES.format(host=self.host, port=self.port) + services)

    def start(self, patience_s: float = 30.0) -> Self:
        """Returns when the SMTP port answers. raises RuntimeError with Postfix's own words when it does not start"""
        made = subprocess.run([program("postfix"), "-c", str(self.config), "start"], capture_output=True, text=True, cwd="/")
        ends = time.monotonic() + patience_s
        while made.returncode == 0 and time.monotonic() < ends:
            if self._pid() is not None and self._answers():
                return self
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"Postfix does not start: {made.stderr}{self.words()[-2000:]}")

    def stop(self, patience_s: float = 20.0) -> None:
        """End all its processes at once; what its queue holds stays in the folder."""
        pid = self._pid()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
        ends = time.monotonic() + patience_s
        while time.monotonic() < ends and Path(f"/proc/{pid}").exists():
            time.sleep(0.02)

    def flush(self) -> None:
        """Try everything that waits now."""
        subprocess.run([program("postqueue"), "-c", str(self.config), "-f"], check=True, capture_output=True, cwd="/")

    def drop_all(self) -> None:
        """Throw away what the queue and the maildirs hold."""
        subprocess.run([program("postsuper"), "-c", str(self.config), "-d", "ALL"], check=True, capture_output=True, cwd="/")
        for file in self.boxes.glob("*/new/*"):
            file.unlink()

    def waiting(self) -> int:
        """Messages in the queue."""
        folders = (self.queue / name for name in ("maildrop", "incoming", "active", "deferred", "hold"))
        return sum(1 for folder in folders for file in folder.rglob("*") if file.is_file())

    def mails(self, address: str) -> list[bytes]:
        """What was delivered to an address of the maildir domain, oldest first."""
        files = (self.boxes / _box(address) / "new").glob("*")
        return [file.read_bytes() for file in sorted(files, key=lambda file: (file.stat().st_mtime_ns, file.name))]

    def delivered(self, address: str) -> int:
        """How many were delivered to an address."""
        place = self.boxes / _box(address) / "new"
        return len(os.listdir(place)) if place.is_dir() else 0

    def words(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _pid(self) -> int | None:
        try:
            pid = int((self.queue / "pid" / "master.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if Path(f"/proc/{pid}").exists() else None

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as line:
                return bool(line.recv(3) == b"220")
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop()


def program(name: str) -> str:
    """Where a program of Postfix lies. raises RuntimeError when it is not installed"""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed (package postfix); `make test` installs it, or leave it out with WITHOUT=postfix.")
    return found


def daemon_folder() -> str:
    return subprocess.run([program("postconf"), "-dh", "daemon_directory"], capture_output=True, text=True, check=True).stdout.strip()


def _box(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{domain}_{local}"


def _let_through(folder: Path) -> None:
    """Postfix's users must get into folders that a test made for its own user alone."""
    for above in (folder, *folder.parents):
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001 and above != above.parent:
            above.chmod(above.stat().st_mode | 0o011)

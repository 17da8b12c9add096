"""Importing contacts, beside a bare upsert of the same CSV in the same run, on SQLite and PostgreSQL.

    python -m tests.bench contact_import                      200,000 rows, three rounds
    python -m tests.bench contact_import --rows 1000000 --rounds 1 --engines sqlite

The anchor is the import of `readside.py` of the design work: `csv.reader` into one `executemany` with ON CONFLICT on SQLite, COPY into a
temporary table and one upsert on PostgreSQL, into a table of five columns. The product checks and normalises each address, splits names,
asks the suppression list (2,000 people), looks for duplicates, keeps counters, the place where it goes on and every refused row (one in a
hundred), and commits every few dozen milliseconds; with --tagging it gives everybody a tag and a group too. It runs in a process of its
own, whose memory is watched; meanwhile a reader here asks for a page of the contacts again and again. Then once more, not for
the ratio, with a small writer as well, which changes the very counter that the import adds to, as somebody does who types in a contact:
on SQLite it waits for the write lock, which there is one of.

`ratio` is by the clock. `work` is the same by processor time of both processes (on PostgreSQL with that of its server), which others on
the machine change less.
"""

import argparse
import csv
import io
import json
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import select

from tests.bench.common import median, percentile, say
from tests.servers import PostgresServer, RedisServer
from webapp import create_app
from webapp.accounts.models import Workspace
from webapp.contacts import groups
from webapp.core import migrate, queue
from webapp.core.actor import Actor
from webapp.core.db import _take_write_lock, begin_writing, db
from webapp.imports import jobs, service
from webapp.imports.models import ContactImport
from webapp.imports.service import Settings
from webapp.settings import load_settings
from webapp.suppressions.adding import New, add_many
from webapp.tokens import calls

SUPPRESSED = 2000
#: rows up to which there is a round beside a small writer too
MOST_WRITTEN = 200_000
PAGE = "SELECT id, name, email FROM contacts WHERE workspace_id = 1 ORDER BY id DESC LIMIT 25"
WRITE = "UPDATE counters SET number = number WHERE workspace_id = 1 AND name = 'contacts'"


def make_file(place: Path, rows: int) -> None:
    """The CSV; one row in a hundred is wrong in the product's eyes."""
    with place.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["email", "name", "city"])
        writer.writerows((f"user{i}@example.test", f"Name {i}", "Oslo") for i in range(rows))


def make_wrong_file(clean: Path, place: Path) -> None:
    with clean.open(newline="") as source, place.open("w", newline="") as out:
        writer = csv.writer(out)
        for number, row in enumerate(csv.reader(source)):
            writer.writerow([row[0].replace("@", " at ") if number % 100 == 99 else row[0], *row[1:]])


# --- the anchor ---------------------------------------------------------------------------------------


def bare_sqlite(file: Path) -> tuple[float, float]:
    """Seconds by the clock and of processor."""
    folder = tempfile.mkdtemp(prefix="mailroom-bench-")
    base = sqlite3.connect(f"{folder}/m.db", isolation_level=None)
    base.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536; PRAGMA mmap_size=1073741824")
    base.execute("CREATE TABLE contacts(id INTEGER PRIMARY KEY, email TEXT NOT NULL, name TEXT, city TEXT, status TEXT)")
    text = io.StringIO(file.read_text(), newline="")
    next(text)
    began, processor = time.perf_counter(), time.process_time()
    base.execute("CREATE UNIQUE INDEX c_email ON contacts(email)")
    base.execute("BEGIN")
    upsert = "INSERT INTO contacts(email,name,city,status) VALUES(?,?,?,'active') ON CONFLICT(email) DO UPDATE SET name=excluded.name"
    base.executemany(upsert, csv.reader(text))
    base.execute("COMMIT")
    took = time.perf_counter() - began, time.process_time() - processor
    base.close()
    shutil.rmtree(folder, ignore_errors=True)
    return took


def bare_postgres(url: str, file: Path, server: PostgresServer) -> tuple[float, float]:
    """Seconds by the clock and of processor, its server's among them."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as base:
        base.execute("CREATE TABLE bare(id bigserial PRIMARY KEY, email text NOT NULL UNIQUE, name text, city text, status text)")
        content = file.read_bytes().split(b"\n", 1)[1]
        began, processor = time.perf_counter(), time.process_time() + used_by(server)
        base.execute("CREATE TEMP TABLE stage(email text, name text, city text)")
        with base.cursor() as cursor, cursor.copy("COPY stage FROM STDIN CSV") as copy:
            copy.write(content)
        base.execute("INSERT INTO bare(email,name,city,status) SELECT DISTINCT ON (email) email,name,city,'active' FROM stage"
                     " ON CONFLICT(email) DO UPDATE SET name=excluded.name")  # fmt: skip
        return time.perf_counter() - began, time.process_time() + used_by(server) - processor


def used_by(server: PostgresServer | None) -> float:
    """Seconds of processor that a server used so far, with all its processes, also those that have ended."""
    if server is None:
        return 0.0
    main = int((server.data / "postmaster.pid").read_text().split()[0])
    ticks = 0
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = place.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(words[1]) == main or int(place.parent.name) == main:
            ticks += sum(map(int, words[11:13]))
            ticks += sum(map(int, words[13:15])) if int(place.parent.name) == main else 0
    return ticks / os.sysconf("SC_CLK_TCK")


# --- the product, in a process of its own --------------------------------------------------------------


def one(file: Path, url: str, redis_url: str, home: Path, is_tagging: bool) -> None:
    """Import the file; says seconds and memory. What stands before the clock is what an installation has done already."""
    settings = load_settings({"MAILROOM_INSTANCE": str(home), "DATABASE_URL": url, "REDIS_URL": redis_url,
                              "MAILROOM_SECRET_KEY": "a key for benches that is long enough to be one"}, dotenv=None)  # fmt: skip
    app = create_app(settings)
    app.config[calls.SETTING] = 0
    migrate.upgrade(app)
    begin_writing()
    with app.app_context():
        workspace = Workspace(name="Bench", settings={})
        db.session.add(workspace)
        db.session.commit()
        actor = Actor.system(workspace.id)
        given = Settings(group_ids=[groups.create_group(actor, name="Everybody").id], tags=["bench"]) if is_tagging else Settings()
        add_many(workspace.id, [New(f"user{number * 97}@example.test", "unsubscription", "bulk") for number in range(SUPPRESSED)])
        db.session.commit()
        with file.open("rb") as source:
            job = service.create_import(actor, source, file.name, given)
            db.session.commit()
        idle = memory_mb()
        watch, say_peak = watched()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        began, processor = time.perf_counter(), time.process_time()
        while not jobs.work_off(time.monotonic() + queue.BUDGET_S):
            pass
        took, used = time.perf_counter() - began, time.process_time() - processor
        watch.set()
        found = db.session.scalars(select(ContactImport).where(ContactImport.id == job.id).execution_options(populate_existing=True)).one()
        say(seconds=round(took, 3), processor=round(used, 3), idle_mb=idle, grew_mb=round(say_peak() - idle, 1), state=found.state,
            created=found.created, failed=found.failed, suppressed=found.suppressed, problem=found.problem)  # fmt: skip


def memory_mb() -> float:
    """Memory of this process's own: what it maps of the database file is the page cache's."""
    with open("/proc/self/smaps_rollup") as table:
        return round(sum(int(line.split()[1]) for line in table if line.startswith("Anonymous:")) / 1024, 1)


def watched() -> tuple[threading.Event, Any]:
    over, peak = threading.Event(), [0.0]

    def look() -> None:
        while not over.wait(0.5):
            peak[0] = max(peak[0], memory_mb())

    threading.Thread(target=look, daemon=True).start()
    return over, lambda: peak[0]


def product(
    file: Path, url: str, redis_url: str, home: Path, is_tagging: bool, server: PostgresServer | None, *, is_written: bool = False,
) -> dict[str, Any]:  # fmt: skip
    command = [sys.executable, "-m", "tests.bench.contact_import", "--one", str(file), url, redis_url, str(home)]
    command += ["--tagging"] if is_tagging else []
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("ready"):
            break
    before, over = used_by(server), threading.Event()
    with ThreadPoolExecutor(2) as others:
        ways = {ask.__name__: others.submit(asked_again, url, over, ask) for ask in (read, write)[: 1 + is_written]}
        line = child.stdout.readline()
        over.set()
    served = used_by(server) - before
    child.wait()
    found: dict[str, Any] = json.loads(line)
    for name, waiting in ways.items():
        waits = waiting.result()
        found |= {f"{name}_p50_ms": median(waits), f"{name}_p99_ms": percentile(waits, 0.99), f"{name}_max_ms": round(max(waits), 1)}
    return {**found, "processor": round(found["processor"] + served, 3)}


def asked_again(url: str, over: threading.Event, ask: Callable[[Any], None]) -> list[float]:
    """Milliseconds of each time, fifty a second at most."""
    is_postgres, waits = "postgres" in url, []
    base: Any = psycopg.connect(url.replace("+psycopg", ""), autocommit=True) if is_postgres else None
    if base is None:
        base = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        base.execute("PRAGMA synchronous=FULL")
    while not over.is_set():
        began = time.perf_counter()
        ask(base)
        waits.append((time.perf_counter() - began) * 1000)
        over.wait(0.02)
    base.close()
    return waits


def read(base: Any) -> None:
    """A page of contacts."""
    base.execute(PAGE).fetchall()


def write(base: Any) -> None:
    """As the product writes: SQLite's lock is taken as it takes it everywhere."""
    if isinstance(base, sqlite3.Connection):
        assert _take_write_lock(base)
    else:
        base.execute("BEGIN")
    base.execute(WRITE)
    base.execute("COMMIT")


def servers(engines: list[str], folder: Path) -> Iterator[tuple[str, Any]]:
    for engine in engines:
        if engine == "sqlite":
            yield engine, None
            continue
        server = PostgresServer(folder)
        options = f"-c listen_addresses='' -c unix_socket_directories={server.folder}"
        options += " -c shared_buffers=1GB -c work_mem=64MB -c max_wal_size=4GB"
        server._run(server.control, "-D", str(server.data), "-o", options, "-l", str(server.folder / "log"), "-w", "restart")
        try:
            yield engine, server
        finally:
            server.stop()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="contact_import")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engines", default="sqlite,postgres")
    parser.add_argument("--tagging", action="store_true", help="everybody gets a tag and comes into a group too")
    parser.add_argument("--one", nargs=4)
    asked = parser.parse_args(arguments)
    if asked.one:
        file, url, redis_url, home = asked.one
        one(Path(file), url, redis_url, Path(home), asked.tagging)
        return
    folder = Path(tempfile.mkdtemp(prefix="mailroom-bench-"))
    redis = RedisServer(folder)
    try:
        clean, wrong = folder / "clean.csv", folder / "people.csv"
        make_file(clean, asked.rows)
        make_wrong_file(clean, wrong)
        for engine, server in servers(asked.engines.split(","), folder):
            rounds(engine, server, asked, folder, redis, clean, wrong)
    finally:
        redis.stop()
        shutil.rmtree(folder, ignore_errors=True)


def rounds(engine: str, server: Any, asked: Any, folder: Path, redis: RedisServer, clean: Path, wrong: Path) -> None:
    ratios, works = [], []
    for number in range(asked.rounds + (asked.rows <= MOST_WRITTEN)):
        home = folder / f"{engine}-{number}-{random.randrange(10**6)}"
        home.mkdir()
        url = f"sqlite:///{home}/mailroom.sqlite" if server is None else server.create(f"bench{number}")
        if number == asked.rounds:
            found = product(wrong, url, redis.url(number), home, asked.tagging, server, is_written=True)
            waits = {name: value for name, value in found.items() if name.endswith("_ms")}
            say(bench="contact_import", engine=engine, rows=asked.rows, beside="a small writer", load=round(os.getloadavg()[0], 1),
                rows_s=round(asked.rows / found["seconds"]), **waits)  # fmt: skip
            break
        anchor, processor = bare_sqlite(clean) if server is None else bare_postgres(url, clean, server)
        found = product(wrong, url, redis.url(number), home, asked.tagging, server)
        ratios.append(found["seconds"] / anchor)
        works.append(found["processor"] / processor)
        speed = {"bare_rows_s": round(asked.rows / anchor), "rows_s": round(asked.rows / found["seconds"])}
        load = round(os.getloadavg()[0], 1)
        say(bench="contact_import", engine=engine, rows=asked.rows, bare_s=round(anchor, 2), ratio=round(ratios[-1], 2),
            work=round(works[-1], 2), load=load, **speed, **found)  # fmt: skip
        shutil.rmtree(home, ignore_errors=True)
    say(bench="contact_import", engine=engine, rows=asked.rows, ratio_median=median(ratios), work_median=median(works), goal=4.0,
        children_mb=round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))  # fmt: skip


if __name__ == "__main__":
    main()

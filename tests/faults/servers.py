"""PostgreSQL for the fault tests: what it answers as committed survives its own sudden end."""

import psycopg

from tests.servers import PostgresServer


def safe_database(server: PostgresServer, name: str) -> str:
    """A new database whose commits wait for the log, which the test servers do not do otherwise; returns its URL."""
    url = server.create(name)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = on')
    return url


def restart(server: PostgresServer, mode: str) -> None:
    """mode: `fast` ends every session; `immediate` ends as a crash does, and the start recovers."""
    server._run(server.control, "-D", str(server.data), "-l", str(server.folder / "log"), "-m", mode, "-w", "restart")

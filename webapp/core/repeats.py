"""Which failures of the database mean only that the whole unit is to be done once more, and nothing of it has happened.

PostgreSQL ends one of several transactions that stand in each other's way (40001, 40P01), and a restart or a failover cuts connections.
What was cut while it committed is left alone: nobody knows whether it happened, so the caller is told and decides.
"""

from sqlalchemy.exc import DBAPIError

#: serialization_failure and deadlock_detected. Source: PostgreSQL, appendix A
ROLLED_BACK = frozenset({"40001", "40P01"})
#: how often a unit is done again before the caller is told
MOST_TIMES = 3


def may_repeat(error: BaseException) -> bool:
    """Whether the unit that failed with this error certainly left nothing behind and may succeed now.

    A commit that was cut has no statement; every other statement stands before the commit, so what was cut there never happened.
    """
    if not isinstance(error, DBAPIError):
        return False
    if getattr(error.orig, "sqlstate", None) in ROLLED_BACK:
        return True
    return bool(error.connection_invalidated) and error.statement is not None

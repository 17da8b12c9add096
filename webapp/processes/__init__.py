"""The processes of one installation on one machine: what `python app.py` starts and watches.

    up (supervisor: one thread, no connections, the application imported once)
    ├─ redis       a server of its own, when REDIS_URL is unset
    ├─ web         gunicorn's arbiter ── its workers
    ├─ worker × N  scheduler  smtp
    ├─ guard       kills them all when the supervisor is killed
    └─ short helpers: prepare (migrate, first owner), herald (waits for /readyz), aftermath (frees what a dead part held)

    guard     no part outlives the supervisor         supervisor    start, watch, restart, stop in order
    child     one part: fork, log pipe, restart plan  redis_server  find, start and reach the embedded Redis
    ports     who may listen where, said before start web           gunicorn, driven from code
    parts     which parts there are and their order   up            the whole start, from the lock to the banner
"""

from webapp.core import queue

queue.drains.setdefault("intake.drain", queue.Drain("intake.drain", "mail", lambda: False, lambda until: True))

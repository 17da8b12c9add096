"""Ids of requests are never given twice, not by two processes that come from one either."""

import os
import re

from webapp.core import request_ids


def test_ids_look_as_documented_and_differ() -> None:
    made = [request_ids.new() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert all(re.fullmatch("req_[0-9a-f]{24}", one) for one in made)


def test_a_child_does_not_hand_out_what_its_parent_has_ready() -> None:
    request_ids.new()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, " ".join(request_ids.new() for _ in range(100)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        theirs = pipe.read().split()
    os.waitpid(child, 0)
    assert len(theirs) == 100 and not {request_ids.new() for _ in range(100)} & set(theirs)

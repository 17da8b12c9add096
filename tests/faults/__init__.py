"""Faults: everything is killed, cut, filled and flushed while mail goes through, and then each mail is accounted for."""

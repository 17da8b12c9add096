"""Imported once by the process that programs of tests are forked from (tests/ready.py): all of the product, and what tests run of it."""

import importlib
import pkgutil

import tests.core.live_server
import tests.web_process  # noqa: F401  # to be there when a program asks for it
import webapp

for _found in pkgutil.walk_packages(webapp.__path__, "webapp."):
    if ".migrations." not in _found.name and not _found.name.endswith(".__main__"):
        importlib.import_module(_found.name)

"""What a password costs whoever guesses it. All other tests hash cheaply (tests/people.py), so the module is read anew here."""

import importlib.util
from types import ModuleType

import pytest

from tests.people import hash_cheaply
from webapp.accounts import passwords

PASSWORD = "a long walk by the river"


@pytest.fixture(scope="module")
def real() -> ModuleType:
    found = importlib.util.spec_from_file_location("passwords_anew", str(passwords.__file__))
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_a_password_is_hashed_with_argon2id_at_the_cost_that_owasp_asks_for(real: ModuleType) -> None:
    """OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane."""
    assert real.hash_password(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert real._DUMMY.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), "an unknown user costs the same"


def test_what_was_hashed_at_one_cost_is_read_at_another(real: ModuleType) -> None:
    hash_cheaply()
    assert real.matches(passwords.hash_password(PASSWORD), PASSWORD)
    assert passwords.matches(real.hash_password(PASSWORD), PASSWORD)
    assert not real.matches(passwords.hash_password(PASSWORD), PASSWORD + ".")

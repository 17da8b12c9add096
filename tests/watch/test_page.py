"""The health page: the same findings as doctor for those who look after the machine, the own domains for admins of other workspaces."""

from typing import Any

from tests.factories.domains import make_domain
from tests.watch.faults import all_there, standing_queue


def test_admins_of_the_first_workspace_see_what_doctor_says(app: Any, alice: Any) -> None:
    standing_queue(alice, 3600)
    text = alice.page.get("/health").get_data(as_text=True)
    assert "checks failed" in text and "no worker is there" in text and "Nothing is lost, and nothing moves." in text
    assert "python app.py worker" in text and "maxmemory-policy is noeviction" in text
    fragment = alice.page.get("/health", htmx=True).get_data(as_text=True)
    assert "no worker is there" in fragment and "<html" not in fragment


def test_the_page_is_calm_when_all_is_well(app: Any, alice: Any) -> None:
    all_there()
    text = alice.page.get("/health").get_data(as_text=True)
    assert "Nothing waits." in text and "reported in" in text


def test_other_workspaces_see_their_own_domains_and_nothing_of_the_machine(app: Any, alice: Any, eve: Any) -> None:
    make_domain(alice, name="secret-acme.test", verified=False)
    make_domain(eve, name="evil.test", verified=False)
    text = eve.page.get("/health").get_data(as_text=True)
    assert "evil.test" in text and "secret-acme" not in text and "maxmemory" not in text and "free of" not in text


def test_agents_and_viewers_do_not_see_it(app: Any, bob: Any, carol: Any) -> None:
    for person in (bob, carol):
        assert person.page.get("/health").status_code == 403
        assert "/health" not in person.page.get("/domains").get_data(as_text=True)

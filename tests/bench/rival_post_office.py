"""django-post_office as the rival of a campaign: mails queued with a template, sent by its own command. Run by a Python that has Django.

    /path/with/django/bin/python tests/bench/rival_post_office.py PORT NUMBER PROCESSES      prints the seconds that sending took

It has less to do than Mailroom: no link is rewritten, there is no pixel, nothing is signed, and queueing is not counted. The letter comes
on standard input as JSON: subject, text, html (its tags are written as Django's), people (address, first name, last name, city).
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command


def configure(folder: Path, port: int) -> None:
    """Django with this one application, on SQLite."""
    settings.configure(
        SECRET_KEY="-", USE_TZ=True, DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3", "OPTIONS": {"timeout": 30}}},
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
            {"BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates", "APP_DIRS": True, "OPTIONS": {}},
        ],
        EMAIL_BACKEND="post_office.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=port,
        POST_OFFICE={
            "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}, "THREADS_PER_PROCESS": 5, "BATCH_SIZE": 1000,
            "BATCH_DELIVERY_TIMEOUT": 600,
        },
    )  # fmt: skip
    django.setup()
    call_command("migrate", verbosity=0)


def main() -> None:
    port, number, processes = map(int, sys.argv[1:4])
    given = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as name:
        configure(Path(name), port)
        from post_office import mail  # noqa: PLC0415 - it wants Django configured
        from post_office.models import STATUS, Email, EmailTemplate  # noqa: PLC0415

        EmailTemplate.objects.create(name="news", subject=given["subject"], content=given["text"], html_content=given["html"])
        page = "https://mail.example.test/u/{}"
        mail.send_many([
            {
                "sender": "news@acme.test", "recipients": [address], "template": "news", "render_on_delivery": True,
                "headers": {"List-Unsubscribe": f"<{page.format(n)}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
                "context": {"email": address, "first_name": first, "last_name": last, "city": city, "unsubscribe_url": page.format(n)},
            }
            for n, (address, first, last, city) in enumerate(given["people"][:number])
        ])  # fmt: skip
        began = time.perf_counter()
        call_command("send_queued_mail", processes=processes, verbosity=0)
        seconds = time.perf_counter() - began
        left = Email.objects.exclude(status=STATUS.sent).count()
        if left:
            raise SystemExit(f"{left} of {number} were not sent")
        print(seconds)


if __name__ == "__main__":
    main()

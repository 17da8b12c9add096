"""The commands behind `python app.py`: one small module per subject.

Exit code 0, or 1 with one line on stderr. `--json` where a program reads the answer.
"""

import sys
from typing import Any

import click
from sqlalchemy.exc import DBAPIError

from webapp.cli.audit import audit
from webapp.cli.demo import demo
from webapp.cli.doctor import doctor
from webapp.cli.erasures import erasures
from webapp.cli.house import map_, migrate, settings
from webapp.cli.people import user
from webapp.cli.processes import scheduler_part, smtp_part, up, web_part, worker_part
from webapp.cli.standstill import standstill
from webapp.cli.tokens import token
from webapp.core.errors import HouseError
from webapp.processes import heap
from webapp.processes.redis_server import NoRedis
from webapp.processes.up import CannotStart
from webapp.settings import BadSetting


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.pass_context
def cli(context: click.Context) -> None:
    """Mailroom: one server for everything that happens to mail. Without a command it starts everything, as `up` does."""
    if context.invoked_subcommand is None:
        context.invoke(up)


for command in (
    up, demo, web_part, worker_part, scheduler_part, smtp_part, settings, migrate, doctor, standstill, user, token, audit,
    erasures, map_,
):  # fmt: skip
    cli.add_command(command)


def main(begun: float | None = None) -> None:
    """Run the command that the arguments name, and turn every expected failure into one line.

    begun  monotonic time at which the process started, before its imports; `up` tells how long it took
    """
    heap.give_back_large_blocks()
    try:
        result: Any = cli.main(prog_name="app.py", standalone_mode=False, obj=begun)
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "app.py"
        sys.exit(f"{error.format_message()} See: python {where} --help")
    except click.ClickException as error:
        sys.exit(error.format_message())
    except (BadSetting, CannotStart, NoRedis) as error:
        sys.exit(str(error))
    except HouseError as error:
        sys.exit(_one_line(error))
    except DBAPIError as error:
        sys.exit(f"The database cannot be used: {str(error.orig).strip().splitlines()[0]}")
    except (click.Abort, KeyboardInterrupt):
        sys.exit("Stopped.")
    except BrokenPipeError:
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


def _one_line(error: HouseError) -> str:
    fields = " ".join(text for texts in error.fields.values() for text in texts)
    return " ".join(part for part in (fields or error.message, error.hint) if part)

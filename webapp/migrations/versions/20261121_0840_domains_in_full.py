"""Changes of: domains in full. DKIM keys leave the domain's columns for a table of their own; DNS checks get rows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0840"
down_revision = "20261121_0830"
branch_labels = None
depends_on = None

COLUMNS: tuple[tuple[str, Any, str | None], ...] = (
    ("dns_status", sa.String(), "not_checked"),
    ("dkim_status", sa.String(), "not_checked"),
    ("dns_checked_at", UTCDateTime(), None),
    ("next_check_at", UTCDateTime(), None),
    ("watched_since", UTCDateTime(), None),
    ("proof_missing_since", UTCDateTime(), None),
    ("mail_hosting", sa.String(), "trekmail"),
    ("signature_mode", sa.String(), "off"),
    ("signature_position", sa.String(), "before_reply"),
    ("signature_html", sa.Text(), ""),
    ("primary_domain_id", BigInt, None),
)
OPEN = "status = 'pending'"


def upgrade() -> None:
    # Plain ALTERs: a rebuilt `domains` on SQLite would take its mailboxes along by their foreign key.
    for name, kind, default in COLUMNS:
        op.add_column("domains", sa.Column(name, kind, nullable=default is None, server_default=default))
    op.create_index(op.f("ix_domains_primary_domain_id"), "domains", ["primary_domain_id"], unique=False)
    _create_keys()
    _create_checks()
    op.execute(
        "INSERT INTO dkim_keys (domain_id, workspace_id, selector, algorithm, private, public, state, overlap_days, activated_at,"
        " activated_by, created_at, updated_at) SELECT id, workspace_id, dkim_selector, 'rsa', dkim_private, dkim_public, 'active', 7,"
        " created_at, 'start', created_at, created_at FROM domains ORDER BY id"
    )
    for name in ("dkim_selector", "dkim_private", "dkim_public"):
        op.drop_column("domains", name)


def _create_keys() -> None:
    op.create_table(
        "dkim_keys",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("domain_id", BigInt, nullable=False),
        sa.Column("selector", sa.String(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("private", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("overlap_days", BigInt, nullable=False),
        sa.Column("activated_at", UTCDateTime(), nullable=True),
        sa.Column("activated_by", sa.String(), nullable=True),
        sa.Column("retires_at", UTCDateTime(), nullable=True),
        sa.Column("retired_at", UTCDateTime(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_dkim_keys_domain_id_domains"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_dkim_keys_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dkim_keys")),
        sa.UniqueConstraint("domain_id", "selector", name=op.f("uq_dkim_keys_domain_id_selector")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dkim_keys_state_retires_at", "dkim_keys", ["state", "retires_at"], unique=False)
    op.create_index(op.f("ix_dkim_keys_workspace_id"), "dkim_keys", ["workspace_id"], unique=False)


def _create_checks() -> None:
    op.create_table(
        "dns_checks",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("domain_id", BigInt, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("done", BigInt, nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("results", Json, nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["domain_id"], ["domains.id"], name=op.f("fk_dns_checks_domain_id_domains"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_dns_checks_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dns_checks")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dns_checks_domain_id_id", "dns_checks", ["domain_id", "id"], unique=False)
    op.create_index("ix_dns_checks_finished_at", "dns_checks", ["finished_at"], unique=False)
    op.create_index("ix_dns_checks_status_due_at", "dns_checks", ["status", "due_at"], unique=False)
    op.create_index(op.f("ix_dns_checks_workspace_id"), "dns_checks", ["workspace_id"], unique=False)
    op.create_index("uq_dns_checks_open", "dns_checks", ["domain_id"], unique=True, sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN))


def downgrade() -> None:
    for name in ("dkim_selector", "dkim_private", "dkim_public"):
        kind: sa.types.TypeEngine[str] = sa.String() if name == "dkim_selector" else sa.Text()
        op.add_column("domains", sa.Column(name, kind, nullable=False, server_default=""))
        newest = f"SELECT {name.removeprefix('dkim_')} FROM dkim_keys WHERE domain_id = domains.id AND algorithm = 'rsa'"  # noqa: S608  # constants
        op.execute(f"UPDATE domains SET {name} = COALESCE(({newest} AND state = 'active' LIMIT 1), '')")  # noqa: S608  # constants
    op.drop_table("dns_checks")
    op.drop_table("dkim_keys")
    op.drop_index(op.f("ix_domains_primary_domain_id"), "domains")
    for name, _, _ in reversed(COLUMNS):
        op.drop_column("domains", name)

"""Imports of contacts."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_1030"
down_revision = "20261121_1020"
branch_labels = None
depends_on = None
WORKING = sa.text("state IN ('queued', 'previewing', 'running', 'undoing')")


def upgrade() -> None:
    op.create_table("contact_imports",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("file_key", sa.String(), nullable=False),
        sa.Column("ready_key", sa.String(), nullable=True),
        sa.Column("size_bytes", BigInt, nullable=False),
        sa.Column("ready_bytes", BigInt, nullable=True),
        sa.Column("mapping", Json, nullable=False),
        sa.Column("shape", Json, nullable=False),
        sa.Column("duplicates", sa.String(), nullable=False),
        sa.Column("tag_ids", Json, nullable=False),
        sa.Column("group_ids", Json, nullable=False),
        sa.Column("consent", sa.String(), nullable=True),
        sa.Column("announce", sa.Boolean(), nullable=False),
        sa.Column("giver", Json, nullable=False),
        sa.Column("total", BigInt, nullable=True),
        sa.Column("position", BigInt, nullable=False),
        sa.Column("byte", BigInt, nullable=False),
        sa.Column("line", BigInt, nullable=False),
        sa.Column("created", BigInt, nullable=False),
        sa.Column("updated", BigInt, nullable=False),
        sa.Column("unchanged", BigInt, nullable=False),
        sa.Column("skipped", BigInt, nullable=False),
        sa.Column("suppressed", BigInt, nullable=False),
        sa.Column("failed", BigInt, nullable=False),
        sa.Column("first_id", BigInt, nullable=True),
        sa.Column("last_id", BigInt, nullable=True),
        sa.Column("preview", Json, nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("came_from", sa.String(), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("worked_s", sa.Double(), nullable=False),
        sa.Column("undo_stage", sa.String(), nullable=True),
        sa.Column("undo_position", BigInt, nullable=False),
        sa.Column("restored", BigInt, nullable=False),
        sa.Column("removed", BigInt, nullable=False),
        sa.Column("left_alone", BigInt, nullable=False),
        sa.Column("undone_at", UTCDateTime(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_contact_imports_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_imports")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contact_imports_working", "contact_imports", ["id"], unique=False, sqlite_where=WORKING, postgresql_where=WORKING)
    op.create_index(op.f("ix_contact_imports_workspace_id"), "contact_imports", ["workspace_id"], unique=False)
    op.create_table("contact_import_changes",
        sa.Column("import_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("contact_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.Column("after", Json, nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["contact_imports.id"], name=op.f("fk_contact_import_changes_import_id_contact_imports"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("import_id", "contact_id", name=op.f("pk_contact_import_changes")),
        sqlite_autoincrement=True
    )
    op.create_table("contact_import_problems",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("import_id", BigInt, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("number", BigInt, nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["contact_imports.id"], name=op.f("fk_contact_import_problems_import_id_contact_imports"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_import_problems")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contact_import_problems_import_id_id", "contact_import_problems", ["import_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_table("contact_import_problems")
    op.drop_table("contact_import_changes")
    op.drop_table("contact_imports")

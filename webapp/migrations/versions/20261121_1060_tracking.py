"""Former contacts: links in old mails go on to unsubscribe people whom the workspace has deleted."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt

revision = "20261121_1060"
down_revision = "20261121_1050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("former_contacts",
        sa.Column("contact_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("key_mark", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_former_contacts_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("contact_id", name=op.f("pk_former_contacts")),
    )
    op.create_index(op.f("ix_former_contacts_workspace_id"), "former_contacts", ["workspace_id"], unique=False)


def downgrade() -> None:
    op.drop_table("former_contacts")

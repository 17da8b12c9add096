"""Changes of: audit in full."""

revision = "20261121_0830"
down_revision = "20261121_0820"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

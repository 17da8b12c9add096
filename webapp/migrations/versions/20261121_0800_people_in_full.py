"""Changes of: people in full."""

revision = "20261121_0800"
down_revision = "20261121_0540"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

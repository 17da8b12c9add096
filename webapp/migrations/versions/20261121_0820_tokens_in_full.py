"""Changes of: tokens in full."""

revision = "20261121_0820"
down_revision = "20261121_0810"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

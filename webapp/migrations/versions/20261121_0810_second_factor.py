"""Changes of: second factor."""

revision = "20261121_0810"
down_revision = "20261121_0800"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

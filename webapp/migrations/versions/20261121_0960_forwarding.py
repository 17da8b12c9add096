"""An empty link of the chain, to be filled."""

revision = "20261121_0960"
down_revision = "20261121_0950"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

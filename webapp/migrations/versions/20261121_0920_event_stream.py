"""An empty link of the chain, to be filled."""

revision = "20261121_0920"
down_revision = "20261121_0910"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

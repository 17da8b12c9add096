"""Campaigns with their links and domains."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_1040"
down_revision = "20261121_1030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("campaigns",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=True),
        sa.Column("from_email", sa.String(), nullable=False),
        sa.Column("from_name", sa.String(), nullable=False),
        sa.Column("reply_to", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("preheader", sa.String(), nullable=True),
        sa.Column("body_html", sa.String(), nullable=False),
        sa.Column("body_format", sa.String(), server_default="html", nullable=False),
        sa.Column("body_text", sa.String(), nullable=True),
        sa.Column("group_ids", Json, nullable=False),
        sa.Column("segment_ids", Json, nullable=False),
        sa.Column("exclude_group_ids", Json, nullable=False),
        sa.Column("exclude_segment_ids", Json, nullable=False),
        sa.Column("track_opens", sa.Boolean(), nullable=False),
        sa.Column("track_clicks", sa.Boolean(), nullable=False),
        sa.Column("web_view", sa.Boolean(), nullable=False),
        sa.Column("send_rate", BigInt, nullable=True),
        sa.Column("schedule_at", UTCDateTime(), nullable=True),
        sa.Column("schedule_zone", sa.String(), nullable=True),
        sa.Column("outgoing_id", BigInt, nullable=True),
        sa.Column("version", BigInt, nullable=False),
        sa.Column("audience_position", BigInt, nullable=False),
        sa.Column("audience_last_id", BigInt, nullable=True),
        sa.Column("is_expanded", sa.Boolean(), nullable=False),
        sa.Column("recipients_count", BigInt, nullable=False),
        sa.Column("skipped_count", BigInt, nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("paused_at", UTCDateTime(), nullable=True),
        sa.Column("paused_why", sa.String(), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("cancelled_at", UTCDateTime(), nullable=True),
        sa.Column("giver", Json, nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_campaigns_mailbox_id_mailboxes"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["outgoing_id"], ["outgoing.id"], name=op.f("fk_campaigns_outgoing_id_outgoing"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_campaigns_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_campaigns_schedule_at", "campaigns", ["schedule_at"], unique=False,
                    sqlite_where=sa.text("state = 'scheduled'"), postgresql_where=sa.text("state = 'scheduled'"))
    op.create_index("ix_campaigns_sending", "campaigns", ["id"], unique=False,
                    sqlite_where=sa.text("state = 'sending'"), postgresql_where=sa.text("state = 'sending'"))
    op.create_index(op.f("ix_campaigns_workspace_id"), "campaigns", ["workspace_id"], unique=False)
    op.create_index("ix_campaigns_workspace_id_state_id", "campaigns", ["workspace_id", "state", "id"], unique=False)
    op.create_table("campaign_links",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("campaign_id", BigInt, nullable=False),
        sa.Column("number", BigInt, nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_links_campaign_id_campaigns"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_links")),
        sa.UniqueConstraint("campaign_id", "number", name=op.f("uq_campaign_links_campaign_id_number")),
        sqlite_autoincrement=True
    )
    op.create_table("campaign_domains",
        sa.Column("campaign_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("total", BigInt, nullable=False),
        sa.Column("sent", BigInt, nullable=False),
        sa.Column("deferred", BigInt, nullable=False),
        sa.Column("bounced", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_domains_campaign_id_campaigns"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("campaign_id", "domain", name=op.f("pk_campaign_domains")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_campaign_domains_campaign_id_total", "campaign_domains", ["campaign_id", "total"], unique=False)


def downgrade() -> None:
    op.drop_table("campaign_domains")
    op.drop_table("campaign_links")
    op.drop_table("campaigns")

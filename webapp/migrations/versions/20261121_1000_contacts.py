"""Contacts, tags, groups, custom fields; what people did with campaigns."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_1000"
down_revision = "20261121_0970"
branch_labels = None
depends_on = None


#: words of a contact, for search; on SQLite the scope of the workspace is a column, on PostgreSQL a word with a mark
FTS5 = """
CREATE VIRTUAL TABLE contact_fts USING fts5(scope, words, detail=column, prefix='2 3', tokenize='unicode61 remove_diacritics 2')
"""
FORGET = "CREATE TRIGGER contacts_forget_words AFTER DELETE ON contacts BEGIN DELETE FROM contact_fts WHERE rowid = old.id; END"
WORDS = """
CREATE TABLE contact_words (contact_id bigint PRIMARY KEY REFERENCES contacts (id) ON DELETE CASCADE, words tsvector NOT NULL)
"""


def _create_words() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(FTS5)
        op.execute(FORGET)
    else:
        op.execute(WORDS)
        op.execute("CREATE INDEX ix_contact_words_words ON contact_words USING gin (words)")


def upgrade() -> None:
    op.create_table("contacts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("first_name", sa.String(), server_default="", nullable=False),
        sa.Column("last_name", sa.String(), server_default="", nullable=False),
        sa.Column("company", sa.String(), nullable=True),
        sa.Column("phone", sa.String(), nullable=True),
        sa.Column("job_title", sa.String(), nullable=True),
        sa.Column("street", sa.String(), nullable=True),
        sa.Column("city", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("postal_code", sa.String(), nullable=True),
        sa.Column("country", sa.String(), nullable=True),
        sa.Column("custom_fields", Json, nullable=False),
        sa.Column("lead_score", BigInt, server_default="0", nullable=False),
        sa.Column("subscribed", sa.Boolean(), nullable=False),
        sa.Column("unsubscribed_at", UTCDateTime(), nullable=True),
        sa.Column("bounced_at", UTCDateTime(), nullable=True),
        sa.Column("complained_at", UTCDateTime(), nullable=True),
        sa.Column("last_contacted_at", UTCDateTime(), nullable=True),
        sa.Column("last_active_at", UTCDateTime(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("import_id", BigInt, nullable=True),
        sa.Column("is_indexed", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_contacts_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("workspace_id", "address", name=op.f("uq_contacts_workspace_id_address")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contacts_unindexed", "contacts", ["id"], unique=False,
                    sqlite_where=sa.text("is_indexed = false"), postgresql_where=sa.text("is_indexed = false"))
    op.create_index("ix_contacts_workspace_id_id", "contacts", ["workspace_id", "id"], unique=False)
    op.create_index("ix_contacts_workspace_id_name_id", "contacts", ["workspace_id", "name", "id"], unique=False)
    op.create_index("ix_contacts_workspace_id_updated_at_id", "contacts", ["workspace_id", "updated_at", "id"], unique=False)
    op.create_index("ix_contacts_workspace_id_created_at_id", "contacts", ["workspace_id", "created_at", "id"], unique=False)
    for name, only in (("unsubscribed", "NOT subscribed"), ("bounced", "bounced_at IS NOT NULL"), ("complained", "complained_at IS NOT NULL")):
        op.create_index(f"ix_contacts_{name}", "contacts", ["workspace_id", "id"], unique=False, sqlite_where=sa.text(only),
                        postgresql_where=sa.text(only))
    _create_words()
    op.create_table("contact_aliases",
        sa.Column("id", BigInt, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("contact_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_aliases_contact_id_contacts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_contact_aliases_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_aliases")),
        sqlite_autoincrement=True
    )
    op.create_index(op.f("ix_contact_aliases_contact_id"), "contact_aliases", ["contact_id"], unique=False)
    op.create_index(op.f("ix_contact_aliases_workspace_id"), "contact_aliases", ["workspace_id"], unique=False)
    op.create_table("tags",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("color", sa.String(), nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_tags_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_tags_workspace_id_name")),
        sqlite_autoincrement=True
    )
    op.create_index(op.f("ix_tags_workspace_id"), "tags", ["workspace_id"], unique=False)
    op.create_table("contact_tags",
        sa.Column("contact_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("tag_id", BigInt, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_tags_contact_id_contacts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tags.id"], name=op.f("fk_contact_tags_tag_id_tags"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("contact_id", "tag_id", name=op.f("pk_contact_tags")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contact_tags_tag_id_contact_id", "contact_tags", ["tag_id", "contact_id"], unique=False)
    op.create_table("contact_groups",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_contact_groups_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_groups")),
        sa.UniqueConstraint("workspace_id", "name", name=op.f("uq_contact_groups_workspace_id_name")),
        sqlite_autoincrement=True
    )
    op.create_index(op.f("ix_contact_groups_workspace_id"), "contact_groups", ["workspace_id"], unique=False)
    op.create_table("contact_group_members",
        sa.Column("contact_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("group_id", BigInt, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_group_members_contact_id_contacts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["contact_groups.id"], name=op.f("fk_contact_group_members_group_id_contact_groups"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("contact_id", "group_id", name=op.f("pk_contact_group_members")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contact_group_members_group_id_contact_id", "contact_group_members", ["group_id", "contact_id"], unique=False)
    op.create_table("custom_fields",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("options", Json, nullable=False),
        sa.Column("placeholder", sa.String(), nullable=True),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("default", sa.String(), nullable=True),
        sa.Column("position", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_custom_fields_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_custom_fields")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("uq_custom_fields_workspace_id_key")),
        sqlite_autoincrement=True
    )
    op.create_index(op.f("ix_custom_fields_workspace_id"), "custom_fields", ["workspace_id"], unique=False)
    op.create_table("contact_notes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("contact_id", BigInt, nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_notes_contact_id_contacts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_contact_notes_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_notes")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contact_notes_contact_id_id", "contact_notes", ["contact_id", "id"], unique=False)
    op.create_table("contact_consents",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("contact_id", BigInt, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("ip", sa.String(), nullable=True),
        sa.Column("client", sa.String(), nullable=True),
        sa.Column("campaign_id", BigInt, nullable=True),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_contact_consents_contact_id_contacts"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_contact_consents_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_consents")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_contact_consents_contact_id_id", "contact_consents", ["contact_id", "id"], unique=False)
    op.create_table("erasures",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("key_mark", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("counts", Json, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_erasures_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        sqlite_autoincrement=True
    )
    op.create_index(op.f("ix_erasures_workspace_id"), "erasures", ["workspace_id"], unique=False)
    op.create_table("engagements",
        sa.Column("campaign_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("contact_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=True),
        sa.Column("clicked_at", UTCDateTime(), nullable=True),
        sa.Column("unsubscribed_at", UTCDateTime(), nullable=True),
        sa.Column("complained_at", UTCDateTime(), nullable=True),
        sa.Column("opens", BigInt, nullable=False),
        sa.Column("clicks", BigInt, nullable=False),
        sa.Column("machine_opens", BigInt, nullable=False),
        sa.Column("machine_clicks", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_engagements_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("campaign_id", "contact_id", name=op.f("pk_engagements")),
        sqlite_autoincrement=True
    )
    op.create_index("ix_engagements_contact_id_campaign_id", "engagements", ["contact_id", "campaign_id"], unique=False)
    op.create_index(op.f("ix_engagements_workspace_id"), "engagements", ["workspace_id"], unique=False)
    op.create_table("link_clicks",
        sa.Column("campaign_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("link", BigInt, autoincrement=False, nullable=False),
        sa.Column("contact_id", BigInt, autoincrement=False, nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("clicks", BigInt, nullable=False),
        sa.Column("machine_clicks", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "link", "contact_id", name=op.f("pk_link_clicks")),
        sqlite_autoincrement=True
    )


def downgrade() -> None:
    op.drop_table("link_clicks")
    op.drop_table("engagements")
    op.drop_table("erasures")
    op.drop_table("contact_consents")
    op.drop_table("contact_notes")
    op.drop_table("custom_fields")
    op.drop_table("contact_group_members")
    op.drop_table("contact_groups")
    op.drop_table("contact_tags")
    op.drop_table("tags")
    op.drop_table("contact_aliases")
    op.execute("DROP TABLE contact_fts" if op.get_bind().dialect.name == "sqlite" else "DROP TABLE contact_words")
    op.drop_table("contacts")

"""Tables of: automation."""

import sqlalchemy as sa
from alembic import op

from webapp.core.db import BigInt, Json, UTCDateTime

revision = "20261121_0540"
down_revision = "20261121_0530"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rules",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("field", sa.String(), nullable=False),
        sa.Column("header_name", sa.String(), nullable=True),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("case_sensitive", sa.Boolean(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("engine", sa.String(), nullable=True),
        sa.Column("timeout_count", BigInt, nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_rules_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_rules_workspace_id"), "rules", ["workspace_id"], unique=False)
    op.create_table(
        "actions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("parameters", Json, nullable=False),
        sa.Column("attach_to_mail", sa.Boolean(), nullable=False),
        sa.Column("pass_to_next", sa.Boolean(), nullable=False),
        sa.Column("on_error", sa.String(), nullable=True),
        sa.Column("timeout_seconds", BigInt, nullable=True),
        sa.Column("max_attempts", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_actions_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_actions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_actions_workspace_id"), "actions", ["workspace_id"], unique=False)
    op.create_table(
        "routes",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("match_type", sa.String(), nullable=False),
        sa.Column("position", BigInt, nullable=False),
        sa.Column("stop_on_match", sa.Boolean(), nullable=False),
        sa.Column("version", BigInt, nullable=False),
        sa.Column("last_run_at", UTCDateTime(), nullable=True),
        sa.Column("last_status", sa.String(), nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("deleted_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_routes_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_routes_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_routes")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_routes_mailbox_id_position", "routes", ["mailbox_id", "position", "id"], unique=False)
    op.create_index(op.f("ix_routes_workspace_id"), "routes", ["workspace_id"], unique=False)
    op.create_index(
        "uq_routes_mailbox_id_name_living",
        "routes",
        ["mailbox_id", "name"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "route_rules",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("route_id", BigInt, nullable=False),
        sa.Column("rule_id", BigInt, nullable=False),
        sa.Column("position", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_route_rules_route_id_routes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["rule_id"], ["rules.id"], name=op.f("fk_route_rules_rule_id_rules"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_rules")),
        sa.UniqueConstraint("route_id", "rule_id", name=op.f("uq_route_rules_route_id_rule_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_route_rules_rule_id"), "route_rules", ["rule_id"], unique=False)
    op.create_table(
        "route_actions",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("route_id", BigInt, nullable=False),
        sa.Column("action_id", BigInt, nullable=False),
        sa.Column("position", BigInt, nullable=False),
        sa.Column("on_error", sa.String(), nullable=True),
        sa.Column("pass_to_next", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"], name=op.f("fk_route_actions_action_id_actions"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_route_actions_route_id_routes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_actions")),
        sa.UniqueConstraint("route_id", "position", name=op.f("uq_route_actions_route_id_position")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_route_actions_action_id"), "route_actions", ["action_id"], unique=False)
    op.create_table(
        "mailbox_data_files",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("entry_count", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mailbox_id"], ["mailboxes.id"], name=op.f("fk_mailbox_data_files_mailbox_id_mailboxes"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_data_files")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mailbox_data_files_mailbox_id"), "mailbox_data_files", ["mailbox_id"], unique=False)
    op.create_table(
        "mailbox_data",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("emails", Json, nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("data_text", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("file_id", BigInt, nullable=True),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["mailbox_data_files.id"], name=op.f("fk_mailbox_data_file_id_mailbox_data_files"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_mailbox_data_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_mailbox_data_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_data")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mailbox_data_file_id"), "mailbox_data", ["file_id"], unique=False)
    op.create_index("ix_mailbox_data_mailbox_id_id", "mailbox_data", ["mailbox_id", "id"], unique=False)
    op.create_index(op.f("ix_mailbox_data_workspace_id"), "mailbox_data", ["workspace_id"], unique=False)
    op.create_table(
        "mailbox_data_emails",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("data_id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["data_id"], ["mailbox_data.id"], name=op.f("fk_mailbox_data_emails_data_id_mailbox_data"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mailbox_data_emails")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mailbox_data_emails_data_id"), "mailbox_data_emails", ["data_id"], unique=False)
    op.create_index("ix_mailbox_data_emails_mailbox_id_email", "mailbox_data_emails", ["mailbox_id", "email", "data_id"], unique=False)
    op.create_table(
        "route_plans",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("message_id", BigInt, nullable=False),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("round", BigInt, nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("route_id", BigInt, nullable=True),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("deaths", BigInt, nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_route_plans_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_route_plans_message_id_messages"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name=op.f("fk_route_plans_workspace_id_workspaces"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_plans")),
        sa.UniqueConstraint("message_id", "round", name=op.f("uq_route_plans_message_id_round")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_route_plans_mailbox_id"), "route_plans", ["mailbox_id"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("workspace_id", BigInt, nullable=False),
        sa.Column("message_id", BigInt, nullable=True),
        sa.Column("mailbox_id", BigInt, nullable=False),
        sa.Column("route_id", BigInt, nullable=True),
        sa.Column("round", BigInt, nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("matched", sa.Boolean(), nullable=True),
        sa.Column("route_name", sa.String(), nullable=False),
        sa.Column("route_version", BigInt, nullable=False),
        sa.Column("snapshot", Json, nullable=False),
        sa.Column("verdicts", Json, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("is_test", sa.Boolean(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("recipient", sa.String(), nullable=False),
        sa.Column("state_raw_id", BigInt, nullable=True),
        sa.Column("step", BigInt, nullable=False),
        sa.Column("next_attempt_at", UTCDateTime(), nullable=True),
        sa.Column("deaths", BigInt, nullable=False),
        sa.Column("holds_mail", sa.Boolean(), nullable=False),
        sa.Column("dropped", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["mailbox_id"], ["mailboxes.id"], name=op.f("fk_runs_mailbox_id_mailboxes"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name=op.f("fk_runs_message_id_messages"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_runs_route_id_routes"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["state_raw_id"], ["raw_messages.id"], name=op.f("fk_runs_state_raw_id_raw_messages")),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name=op.f("fk_runs_workspace_id_workspaces"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("message_id", "mailbox_id", "route_id", "round", name=op.f("uq_runs_message_id_mailbox_id_route_id_round")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_created_at", "runs", ["created_at"], unique=False)
    op.create_index(
        "ix_runs_state_raw_id",
        "runs",
        ["state_raw_id"],
        unique=False,
        sqlite_where=sa.text("state_raw_id IS NOT NULL"),
        postgresql_where=sa.text("state_raw_id IS NOT NULL"),
    )
    op.create_index(
        "ix_runs_due",
        "runs",
        ["next_attempt_at", "id"],
        unique=False,
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index("ix_runs_mailbox_id_id", "runs", ["mailbox_id", "id"], unique=False)
    op.create_index("ix_runs_mailbox_id_status_id", "runs", ["mailbox_id", "status", "id"], unique=False)
    op.create_index(op.f("ix_runs_message_id"), "runs", ["message_id"], unique=False)
    op.create_index("ix_runs_route_id_id", "runs", ["route_id", "id"], unique=False)
    op.create_index("ix_runs_workspace_id_id", "runs", ["workspace_id", "id"], unique=False)
    op.create_table(
        "run_steps",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("run_id", BigInt, nullable=False),
        sa.Column("position", BigInt, nullable=False),
        sa.Column("action_id", BigInt, nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("settings", Json, nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("attempts", BigInt, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("changed", Json, nullable=False),
        sa.Column("passed_on", sa.Boolean(), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_steps_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_steps")),
        sa.UniqueConstraint("run_id", "position", name=op.f("uq_run_steps_run_id_position")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "step_attempts",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("step_id", BigInt, nullable=False),
        sa.Column("number", BigInt, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("status_code", BigInt, nullable=True),
        sa.Column("request", Json, nullable=True),
        sa.Column("answer", Json, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("ms", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["step_id"], ["run_steps.id"], name=op.f("fk_step_attempts_step_id_run_steps"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_step_attempts")),
        sa.UniqueConstraint("step_id", "number", name=op.f("uq_step_attempts_step_id_number")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "route_days",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("route_id", BigInt, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("number", BigInt, nullable=False),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_route_days_route_id_routes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_route_days")),
        sa.UniqueConstraint("route_id", "day", "status", name=op.f("uq_route_days_route_id_day_status")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "auto_replies",
        sa.Column("id", BigInt, nullable=False),
        sa.Column("route_id", BigInt, nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["route_id"], ["routes.id"], name=op.f("fk_auto_replies_route_id_routes"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_auto_replies")),
        sa.UniqueConstraint("route_id", "sender", name=op.f("uq_auto_replies_route_id_sender")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_auto_replies_route_id_at", "auto_replies", ["route_id", "at"], unique=False)


def downgrade() -> None:
    op.drop_table("auto_replies")
    op.drop_table("route_days")
    op.drop_table("step_attempts")
    op.drop_table("run_steps")
    op.drop_table("runs")
    op.drop_table("route_plans")
    op.drop_table("mailbox_data_emails")
    op.drop_table("mailbox_data")
    op.drop_table("mailbox_data_files")
    op.drop_table("route_actions")
    op.drop_table("route_rules")
    op.drop_table("routes")
    op.drop_table("actions")
    op.drop_table("rules")

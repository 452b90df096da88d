"""What deals were worth, conversions, goals, automation rules, files of records; drops two columns nobody wrote.

Revision ID: 0002
Revises: 0001
"""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

import crm.models.declarative
from crm.names import grams

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

def upgrade() -> None:
    op.create_table('automation_rule',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('event', sa.Text(), nullable=False),
    sa.Column('conditions', sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql'), nullable=False),
    sa.Column('action', sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql'), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('position', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('since', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.Column('created_by', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.Column('deleted_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['created_by'], ['user.id'], name=op.f('fk_automation_rule_created_by_user')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_automation_rule'))
    )
    op.create_table('goal',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('month', sa.Date(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=18, scale=2), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_goal_user_id_user'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_goal')),
    sa.UniqueConstraint('user_id', 'month', name=op.f('uq_goal_user_id_month'))
    )
    op.create_table('cost',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('month', sa.Date(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('amount', sa.Numeric(precision=18, scale=2), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_cost')),
    sa.UniqueConstraint('month', 'source', name=op.f('uq_cost_month_source'))
    )
    op.create_table('no_reply_needed',
    sa.Column('communication_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['communication_id'], ['communication.id'], name=op.f('fk_no_reply_needed_communication_id_communication'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_no_reply_needed_user_id_user')),
    sa.PrimaryKeyConstraint('communication_id', name=op.f('pk_no_reply_needed'))
    )
    op.create_table('outgoing_mail',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('user_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('attempts', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('not_before', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.Column('lease_until', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('created_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.Column('sent_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_outgoing_mail_user_id_user')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outgoing_mail')),
    sa.UniqueConstraint('user_id', 'key', name=op.f('uq_outgoing_mail_user_id_key'))
    )
    op.create_index('ix_outgoing_mail_state_not_before', 'outgoing_mail', ['state', 'not_before'], unique=False)

    op.create_table('record_file',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('noun', sa.Text(), nullable=False),
    sa.Column('record_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('size', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('author_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('created_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.Column('deleted_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['author_id'], ['user.id'], name=op.f('fk_record_file_author_id_user')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_record_file'))
    )
    op.create_index('ix_record_file_noun_record_id', 'record_file', ['noun', 'record_id'], unique=False)

    op.create_table('deal_value_change',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('deal_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('value', sa.Numeric(precision=18, scale=2), nullable=True),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('actor_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['actor_id'], ['user.id'], name=op.f('fk_deal_value_change_actor_id_user')),
    sa.ForeignKeyConstraint(['deal_id'], ['deal.id'], name=op.f('fk_deal_value_change_deal_id_deal'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_deal_value_change'))
    )
    op.create_index('ix_deal_value_change_deal_id', 'deal_value_change', ['deal_id'], unique=False)

    op.create_table('lifecycle_change',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('contact_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('from_lifecycle', sa.Text(), nullable=True),
    sa.Column('to_lifecycle', sa.Text(), nullable=False),
    sa.Column('actor_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
    sa.Column('at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['actor_id'], ['user.id'], name=op.f('fk_lifecycle_change_actor_id_user')),
    sa.ForeignKeyConstraint(['contact_id'], ['contact.id'], name=op.f('fk_lifecycle_change_contact_id_contact'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lifecycle_change'))
    )
    op.create_index('ix_lifecycle_change_contact_id', 'lifecycle_change', ['contact_id'], unique=False)

    op.create_table('name_gram',
    sa.Column('gram', sa.Text(), nullable=False),
    sa.Column('noun', sa.Text(), nullable=False),
    sa.Column('record_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False),
    sa.PrimaryKeyConstraint('gram', 'noun', 'record_id', name=op.f('pk_name_gram'))
    )
    op.create_index('ix_name_gram_record_id_noun', 'name_gram', ['record_id', 'noun'], unique=False)
    _index_names()

    op.add_column('field', sa.Column('lifecycle', sa.Text(), nullable=True))
    op.add_column('field', sa.Column('removed_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True))
    op.create_table('lead_form',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('people', sa.JSON().with_variant(postgresql.JSONB(astext_type=Text()), 'postgresql'), nullable=False),
    sa.Column('turn', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('task_title', sa.Text(), nullable=False),
    sa.Column('task_days', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_by', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('created_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=False),
    sa.Column('closed_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['created_by'], ['user.id'], name=op.f('fk_lead_form_created_by_user')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_lead_form')),
    sa.UniqueConstraint('key', name=op.f('uq_lead_form_key'))
    )
    op.add_column('communication', sa.Column('pinned_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True))
    op.add_column('currency_rate', sa.Column('base', sa.Text(), nullable=False, server_default=''))
    op.add_column('task', sa.Column('awaits_since', crm.models.declarative.UtcDateTime(timezone=True), nullable=True))
    op.add_column('deal', sa.Column('won_reason', sa.Text(), nullable=True))
    op.drop_column('ruling', 'last_hit_at')
    op.drop_column('ruling', 'hits')
    op.execute(
        'INSERT INTO deal_value_change (deal_id, value, currency, at) SELECT id, value, currency, created_at FROM deal'
    )
    op.execute(
        'INSERT INTO lifecycle_change (contact_id, to_lifecycle, at) SELECT id, lifecycle, created_at FROM contact'
    )

def _index_names() -> None:
    """Make the names that are there findable, a thousand at a time."""
    connection = op.get_bind()
    for noun, column in (('contact', 'name'), ('company', 'name'), ('deal', 'title')):
        table = sa.table(noun, sa.column('id'), sa.column(column))
        last = 0
        while rows := connection.execute(
            sa.select(table).where(table.c.id > last).order_by(table.c.id).limit(1000)
        ).all():
            values = [{'gram': g, 'noun': noun, 'record_id': row[0]} for row in rows for g in sorted(grams(row[1]))]
            if values:
                index = sa.table('name_gram', sa.column('gram'), sa.column('noun'), sa.column('record_id'))
                connection.execute(sa.insert(index), values)
            last = rows[-1][0]

def downgrade() -> None:
    op.add_column('ruling', sa.Column('hits', sa.BigInteger(), nullable=False, server_default='0'))
    op.add_column('ruling', sa.Column('last_hit_at', crm.models.declarative.UtcDateTime(timezone=True), nullable=True))

    op.drop_column('deal', 'won_reason')
    op.drop_column('task', 'awaits_since')
    op.drop_column('currency_rate', 'base')
    op.drop_column('communication', 'pinned_at')
    op.drop_column('field', 'removed_at')
    op.drop_column('field', 'lifecycle')
    op.drop_table('name_gram')
    op.drop_table('lead_form')
    op.drop_table('lifecycle_change')
    op.drop_table('deal_value_change')
    op.drop_table('record_file')
    op.drop_table('no_reply_needed')
    op.drop_table('cost')
    op.drop_table('outgoing_mail')
    op.drop_table('goal')
    op.drop_table('automation_rule')

"""Alembic migrations. Applied by ``crm.database.Database.migrate``."""

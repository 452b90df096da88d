"""HTTP: the Flask UI and API. Imports sync and crm; never connectors or matching, never SQLAlchemy."""

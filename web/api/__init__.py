"""The REST API under /api/v1: one table of routes, from which both the URLs and openapi.json come."""

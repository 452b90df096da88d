"""Whether this process can serve: the database answers and is migrated, and the queue, where one is configured,
answers. Never raises."""

from __future__ import annotations

from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from sync.jobs import connect
from sync.service import Service


def checks(service: Service) -> dict[str, bool]:
    """Each part with whether it is well. Without a configured queue (the embedded one belongs to the process tree) it
    is not asked."""
    try:
        found = {"database": True, "migrations": service.db.is_current()}
    except SQLAlchemyError:
        found = {"database": False, "migrations": False}
    if service.settings.redis_url:
        try:
            found["queue"] = bool(connect(service).ping())
        except RedisError:
            found["queue"] = False
    return found

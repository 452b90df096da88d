# The production image: one image, four commands (web, worker, scheduler, watchers are started by docker-compose.yml).
FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 crm && mkdir -p /app /data && chown crm /data
WORKDIR /app
COPY requirements/run.txt requirements/htmx.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/run.txt \
    && pip install --no-cache-dir --require-hashes --no-deps -r requirements/htmx.txt
COPY connectors connectors
COPY matching matching
COPY crm crm
COPY sync sync
COPY web web
USER crm
ENV CRM_SYNC_DATA_DIR=/data
ENTRYPOINT ["python", "-m", "sync"]
CMD ["web", "--host", "0.0.0.0"]

"""The process tree of ``crm-sync up``, and each part alone: web, workers, scheduler, IDLE watchers, embedded Redis.

A child that dies is started again with back-off; SIGTERM stops all, children first, and nothing is lost, because
unfinished work is a lease that runs out.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from typing import Any

import click
from rq import Worker
from rq.cron import CronScheduler

from crm.settings import load
from sync import jobs, watching
from sync.embedded import EmbeddedRedis
from sync.service import Service

log = logging.getLogger(__name__)

TICK_SECONDS = 10
STOP_WITHIN = 15.0
SPAWN = multiprocessing.get_context("spawn")


def serve(service: Service, *, host: str, port: int, threads: int = 8) -> None:
    """The web part, in this process, until it is told to stop."""
    from waitress.server import create_server

    from sync.webapp import create

    server = create_server(
        create(service), host=host, port=port, threads=threads, ident="crm-sync", max_request_body_size=64_000_000
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.run()


def work(service: Service, redis_url: str | None = None) -> None:
    """One worker, in this process. Jobs run in a fork each; a killed one is found by its lease."""
    redis = jobs.connect(service, redis_url)
    Worker(list(jobs.QUEUES), connection=redis, default_worker_ttl=180).work(logging_level="WARNING")


def schedule(service: Service, redis_url: str | None = None) -> None:
    """The scheduler, in this process: RQ's cron runs the tick job."""
    url = redis_url or service.settings.redis_url or ""
    redis = jobs.connect(service, redis_url)
    cron = CronScheduler(connection=redis, logging_level="WARNING", name="crm-sync")
    cron.register(jobs.tick, jobs.LIVE, args=(url,), interval=TICK_SECONDS, result_ttl=0, job_timeout=120)
    cron.start()  # type: ignore[no-untyped-call]


@dataclass(slots=True)
class _Child:
    """A part that is kept alive."""

    name: str
    target: Callable[..., None]
    args: tuple[Any, ...]
    process: BaseProcess | None = None
    started: float = 0.0
    delay: float = 1.0

    def start(self) -> None:
        """Spawn it: nothing of the parent's connections comes along."""
        self.process = SPAWN.Process(target=self.target, args=self.args, name=f"crm-sync {self.name}")
        self.process.start()
        self.started = time.monotonic()


@dataclass(slots=True)
class _Tree:
    children: list[_Child] = field(default_factory=list)

    def keep(self, stopping: Callable[[], bool]) -> None:
        """Restart what dies, with growing delay while it dies at once."""
        while not stopping():
            for child in self.children:
                if child.process is not None and not child.process.is_alive():
                    lived = time.monotonic() - child.started
                    child.delay = 1.0 if lived > 60 else min(60.0, child.delay * 2)
                    log.warning("%s ended (%s); starting it again", child.name, child.process.exitcode)
                    time.sleep(min(child.delay, 5.0))
                    child.start()
            time.sleep(0.2)

    def stop(self) -> None:
        """SIGTERM to all, then SIGKILL to what has not ended in time."""
        for child in self.children:
            if child.process is not None and child.process.is_alive():
                child.process.terminate()
        end = time.monotonic() + STOP_WITHIN
        for child in self.children:
            if child.process is not None:
                child.process.join(max(0.1, end - time.monotonic()))
                if child.process.is_alive():
                    child.process.kill()
                    child.process.join()


def run(service: Service, *, host: str, port: int, workers: int, as_json: bool = False) -> None:
    """Everything, until SIGTERM or Ctrl-C. Migrates first; prints the address."""
    service.db.migrate()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: service.stopping.set())
    with ExitStack() as stack:
        url = service.settings.redis_url
        if url is None:
            url = stack.enter_context(EmbeddedRedis(service.settings.data_dir)).url
            os.environ["CRM_SYNC_REDIS_URL"] = url
        tree = _Tree()
        stack.callback(tree.stop)
        tree.children = [
            _Child("web", _web, (host, port)),
            _Child("scheduler", _scheduler, (url,)),
            _Child("watchers", _watchers, (url,)),
            *(_Child(f"worker {n + 1}", _worker, (url,)) for n in range(workers)),
        ]
        for child in tree.children:
            child.start()
        click.echo(
            f'{{"url": "http://{host}:{port}"}}'
            if as_json
            else f"crm-sync is at http://{host}:{port} - Ctrl-C stops it."
        )
        tree.keep(service.stopping.is_set)


def _service() -> Service:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    return Service.build(load())


def _web(host: str, port: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(_service(), host=host, port=port)


def _worker(url: str) -> None:
    work(_service(), url)


def _scheduler(url: str) -> None:
    schedule(_service(), url)


def _watchers(url: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    service = _service()
    signal.signal(signal.SIGTERM, lambda *_: service.stopping.set())
    watching.run(service, url)

"""Celery with `rpc://` results and transient messages, without optional bookkeeping."""

import os
from typing import Any

from celery import Celery

app = Celery("benchmark", broker=os.environ["BROKER_URL"], backend="rpc://")
app.conf.update(
    broker_pool_limit=None,
    result_persistent=False,
    result_serializer="json",
    task_default_delivery_mode="transient",
    task_default_queue="benchmark",
    task_serializer="json",
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
)


@app.task
def reply(command: dict[str, Any]) -> dict[str, Any]:
    return {**command, "status": "done"}

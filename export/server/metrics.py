"""What a server counts, for Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

PATH = "/monitoring/prometheus/metrics"
"""TF Serving's own default."""
CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one server.

    Args:
        num_waiting: returns how many requests wait.
    """

    def __init__(self, num_waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self.requests = Counter(
            "bert_tf_requests",
            "Requests answered, by method and HTTP status.",
            ["method", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "bert_tf_request_seconds",
            "From a request's headers to its answer.",
            ["method"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_rows = Histogram(
            "bert_tf_batch_rows",
            "Rows of the model's calls.",
            buckets=_ROWS,
            registry=self._registry,
        )
        self._batch_seconds = Histogram(
            "bert_tf_batch_seconds",
            "Time of the model's calls.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        Gauge(
            "bert_tf_waiting_requests",
            "Requests that wait for the model.",
            registry=self._registry,
        ).set_function(num_waiting)
        self.version = Gauge(
            "bert_tf_model_version",
            "Version that is served; 0 before one is.",
            registry=self._registry,
        )

    def observe_batch(self, rows: int, seconds: float) -> None:
        """Counts a call of the model."""
        self._batch_rows.observe(rows)
        self._batch_seconds.observe(seconds)

    def page(self) -> bytes:
        """Returns all of them as Prometheus reads them."""
        return generate_latest(self._registry)

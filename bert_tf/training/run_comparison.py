"""Runs of several seeds and settings side by side: mean, spread, and the best one.

Free of TensorFlow.
"""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bert_tf.errors import InputError
from bert_tf.reporting.sections import Section, Table, Text, cell_text

SWEEP_FILE = "sweep.json"
"""What a workdir of several runs says of them; see `Comparison.to_dict`."""

_COLUMNS = ("mean", "standard deviation", "min", "max")


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        name: of its folder.
        setting: what is compared, by name; empty where only seeds differ.
        seed: its seed.
        metrics: the last held-out metrics; None in place of one that is not finite.
        error: why it came to no end; then there are no metrics.
    """

    name: str
    setting: Mapping[str, float]
    seed: int
    metrics: Mapping[str, float | None]
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far the values of several seeds differ.

    Attributes:
        mean: of the values.
        standard_deviation: of the sample, divided by n - 1; None of a single value.
        min: the least.
        max: the greatest.
    """

    mean: float
    standard_deviation: float | None
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Returns that of one value or more."""
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, min(values), max(values))

    @property
    def cells(self) -> list[Any]:
        """The fields, for a table."""
        none = "one value"
        deviation = self.standard_deviation
        return [
            self.mean,
            none if deviation is None else deviation,
            self.min,
            self.max,
        ]


@dataclasses.dataclass(frozen=True)
class Setting:
    """The runs of one setting.

    Attributes:
        values: what is compared, by name; empty where only seeds differ.
        runs: one a seed.
    """

    values: Mapping[str, float]
    runs: Sequence[RunResult]

    def numbers(self, metric: str) -> list[float]:
        """Returns a metric's values, of the runs that have one."""
        found = (run.metrics.get(metric) for run in self.runs)
        return [value for value in found if value is not None]

    def spreads(self) -> dict[str, Spread]:
        """Returns the spread of every metric that a run has a value of."""
        names = {name: None for run in self.runs for name in run.metrics}
        numbers = {name: self.numbers(name) for name in names}
        return {name: Spread.of(values) for name, values in numbers.items() if values}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Runs, and which of them is the best.

    Attributes:
        metric: by which they are compared.
        higher_is_better: its direction.
        settings: in order.
        best_setting: that of the best mean, among those all of whose runs have one.
        best_run: the best run of that setting.
    """

    metric: str
    higher_is_better: bool
    settings: Sequence[Setting]
    best_setting: Setting
    best_run: RunResult

    @classmethod
    def of(
        cls, runs: Sequence[RunResult], metric: str, higher_is_better: bool
    ) -> "Comparison":
        """Compares runs; of equally good ones the first is the best.

        Raises:
            InputError: none of them has a finite value of the metric.
        """
        settings: list[Setting] = []
        for run in runs:
            if not settings or settings[-1].values != run.setting:
                settings.append(Setting(run.setting, []))
            settings[-1] = Setting(run.setting, [*settings[-1].runs, run])
        measured = [each for each in settings if each.numbers(metric)]
        if not measured:
            errors = [run.error for run in runs if run.error]
            reason = errors[0] if errors else f"No run has a finite `{metric}`."
            raise InputError(f"None of the {len(runs)} runs can be compared. {reason}")
        # A setting whose training diverges with one seed can do so with the next.
        whole = [
            each for each in measured if len(each.numbers(metric)) == len(each.runs)
        ]
        choose: Callable[..., Any] = max if higher_is_better else min
        best = choose(
            whole or measured, key=lambda each: statistics.fmean(each.numbers(metric))
        )
        with_value = [run for run in best.runs if run.metrics.get(metric) is not None]
        return cls(
            metric,
            higher_is_better,
            settings,
            best,
            choose(with_value, key=lambda run: run.metrics[metric]),
        )

    @property
    def note(self) -> str:
        """What the figures are worth."""
        if len(self.settings) > 1:
            return (
                f"The setting and its run were chosen by `{self.metric}` on these very "
                "held-out examples, so their figures are optimistic: measure the model "
                "on examples that had no part in this before you quote one."
            )
        return (
            f"The best run was chosen by `{self.metric}` on these very held-out "
            "examples, so its own figures are optimistic: the mean over the seeds is "
            "what to expect of such a run."
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns all of it, for a JSON file."""
        return {
            "metric": self.metric,
            "higher_is_better": self.higher_is_better,
            "best_run": self.best_run.name,
            "note": self.note,
            "settings": [
                {
                    **setting.values,
                    "metrics": {
                        name: dataclasses.asdict(spread)
                        for name, spread in setting.spreads().items()
                    },
                }
                for setting in self.settings
            ],
            "runs": [
                {
                    "name": run.name,
                    "seed": run.seed,
                    **run.setting,
                    **({"error": run.error} if run.error else {}),
                    "metrics": dict(run.metrics),
                }
                for setting in self.settings
                for run in setting.runs
            ],
        }

    def tables(self) -> list[Table]:
        """Returns the settings by the metric, and the spread of the best one's."""
        tables = []
        if len(self.settings) > 1:
            rows = [
                [*setting.values.values(), *_spread_cells(setting, self.metric)]
                for setting in self.settings
            ]
            header = [*self.best_setting.values, *_COLUMNS]
            tables.append(Table(rows, header, f"{self.metric} of each setting"))
        if len(self.best_setting.runs) > 1:
            spreads = self.best_setting.spreads()
            tables.append(
                Table(
                    [[name, *spread.cells] for name, spread in spreads.items()],
                    ["metric", *_COLUMNS],
                    f"{len(self.best_setting.runs)} seeds{self._of_the_best_setting()}",
                )
            )
        return tables

    def _of_the_best_setting(self) -> str:
        values = self.best_setting.values.items()
        listed = ", ".join(f"{name} {cell_text(value)}" for name, value in values)
        return f" of {listed}" if listed else ""

    def sections(self) -> list[Section]:
        """Returns the report's."""
        runs = [run for setting in self.settings for run in setting.runs]
        names = list({name: None for run in runs for name in run.metrics})
        rows = [
            [run.name, *(_cell(run, run.metrics.get(name)) for name in names)]
            for run in runs
        ]
        best = Text(f"The best run is {self.best_run.name}. {self.note}")
        errors = [Text(f"{run.name}: {run.error}") for run in runs if run.error]
        return [
            Section("Results", [best, *self.tables()]),
            Section("Runs", [Table(rows, ["run", *names]), *errors]),
        ]


def _spread_cells(setting: Setting, metric: str) -> list[Any]:
    spread = setting.spreads().get(metric)
    return ["none"] * len(_COLUMNS) if spread is None else spread.cells


def _cell(run: RunResult, value: float | None) -> Any:
    if value is not None:
        return value
    return "stopped" if run.error else "not finite"


def plain_text(table: Table) -> str:
    """Returns a table as aligned lines, for a terminal."""
    rows = [list(table.header), *([cell_text(cell) for cell in r] for r in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join([table.title, *(line.rstrip() for line in lines)])

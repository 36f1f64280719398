"""A sensor that ends runs whose process is gone, so that the web UI needs no person to free a pool."""

import dagster as dg

from jobs.dead_runs import end_dead_runs


def dead_runs_sensor() -> dg.SensorDefinition:
    """Define the sensor; it requests nothing."""

    @dg.sensor(
        name="end_dead_runs",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Ends unfinished runs whose process on this host is gone and frees their pool slots.",
    )
    def end(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        dead = end_dead_runs(context.instance)
        return dg.SkipReason("; ".join(str(run) for run in dead) if dead else "no dead runs")

    return end

"""What the client sends from threads of its own: asynchronous logging and measurements of the machine."""

import time
from concurrent.futures import ThreadPoolExecutor

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag


@pytest.fixture
def asynchronous(tracking):
    tracking.config.enable_async_logging(True)
    yield tracking
    tracking.config.enable_async_logging(False)


def test_fifty_thousand_points_in_the_background(tracking, client, unique):
    tracking.set_experiment(unique)
    with tracking.start_run() as run:
        for step in range(1000):
            values = {f"m{i:02}": step * 50 + i for i in range(50)}
            tracking.log_metrics(values, step=step, timestamp=step + 1, synchronous=False)
        tracking.flush_async_logging()
    for i in range(50):
        history = client.get_metric_history(run.info.run_id, f"m{i:02}")
        assert [(m.step, m.value) for m in history] == [(step, step * 50 + i) for step in range(1000)]
    assert client.get_run(run.info.run_id).data.metrics == {f"m{i:02}": 49_950 + i for i in range(50)}


def test_everything_in_the_background(asynchronous, client, unique):
    asynchronous.set_experiment(unique)
    with asynchronous.start_run() as run:
        asynchronous.log_param("p", 1)
        asynchronous.log_params({f"q{i}": i for i in range(150)})
        asynchronous.set_tag("t", "x")
        asynchronous.set_tags({"u": 1, "v": 2})
        for step in range(500):
            asynchronous.log_metric("loss", 1 / (step + 1), step=step)
        waiting = asynchronous.log_metric("loss", 0.0, step=500)
        waiting.wait()
        asynchronous.flush_async_logging()
    got = client.get_run(run.info.run_id)
    assert got.info.status == "FINISHED"
    assert got.data.params == {"p": "1"} | {f"q{i}": str(i) for i in range(150)}
    assert {k: v for k, v in got.data.tags.items() if k in "tuv"} == {"t": "x", "u": "1", "v": "2"}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(s, 1 / (s + 1)) for s in range(500)] + [(500, 0.0)]


def test_a_fault_in_the_background_is_told(client, run):
    client.log_param(run, "p", "first")
    waiting = client.log_batch(run, params=[Param("p", "second")], tags=[RunTag("t", "x")], synchronous=False)
    with pytest.raises(mlflow.MlflowException, match="Changing param values is not allowed"):
        waiting.wait()
    assert client.get_run(run).data.params == {"p": "first"}


def test_threads_that_share_one_run(client, run):
    def work(thread: int) -> None:
        for step in range(50):
            client.log_batch(
                run,
                [Metric("shared", thread, 1000 * step + thread, step), Metric(f"own {thread}", step, step, step)],
                [Param(f"{thread}/{step}", str(step))] if step % 10 == 0 else [],
                [RunTag("last", str(thread))],
            )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    shared = client.get_metric_history(run, "shared")
    assert sorted((m.step, m.value) for m in shared) == [(s, t) for s in range(50) for t in range(8)]
    data = client.get_run(run).data
    assert data.metrics == {"shared": 7} | {f"own {t}": 49 for t in range(8)}
    assert len(data.params) == 40 and data.tags["last"] in set("01234567")


def test_the_machine_is_measured(tracking, client, unique):
    tracking.set_experiment(unique)
    tracking.enable_system_metrics_logging()
    tracking.set_system_metrics_sampling_interval(0.5)
    tracking.set_system_metrics_samples_before_logging(1)
    try:
        with tracking.start_run() as run:
            for _ in range(100):
                time.sleep(0.1)
                if len(client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")) >= 3:
                    break
    finally:
        tracking.disable_system_metrics_logging()
        tracking.set_system_metrics_sampling_interval(None)
        tracking.set_system_metrics_samples_before_logging(None)
    metrics = client.get_run(run.info.run_id).data.metrics
    expected = {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/disk_usage_percentage",
        "system/network_receive_megabytes",
    }
    assert expected <= set(metrics)
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100
    history = client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    assert len(history) >= 3
    assert [m.step for m in history] == list(range(len(history)))
    assert sorted(m.timestamp for m in history) == [m.timestamp for m in history]

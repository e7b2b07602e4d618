"""Several training programs at once, and more runs than fit a page."""

import http.client
import json
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import mlflow
from conftest import FULL
from mlflow.entities import Metric, Param

# What the client asks for at once when it makes a table of all runs.
PANDAS_PAGE = 10_000
RUNS = 100_000 if FULL else PANDAS_PAGE + 500


def train(url: str, experiment: str, shared: str, number: int) -> None:
    """One training program: logs to a run of its own and to one that all share."""
    client = mlflow.MlflowClient(url, url)
    own = client.create_run(experiment, run_name=f"process {number}").info.run_id
    client.log_batch(own, params=[Param("number", str(number))])
    for step in range(30):
        client.log_metric(own, "loss", number + 1 / (step + 1), step=step)
        client.log_batch(shared, [Metric(f"p{number}", step, step, step), Metric("all", number, step * 100 + number, step)])
    client.log_text(own, f"process {number}", "log.txt")
    client.log_text(shared, f"process {number}", f"logs/{number}.txt")
    client.set_terminated(own)


def test_eight_processes(server, client, experiment, tmp_path):
    shared = client.create_run(experiment, run_name="shared").info.run_id
    context = multiprocessing.get_context("fork")
    processes = [
        context.Process(target=train, args=(server.url, experiment, shared, number)) for number in range(8)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 8
    runs = client.search_runs([experiment], "run_name LIKE 'process %'")
    assert sorted(run.data.params["number"] for run in runs) == list("01234567")
    for run in runs:
        number = int(run.data.params["number"])
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "loss")
        assert [(m.step, m.value) for m in history] == [(s, number + 1 / (s + 1)) for s in range(30)]
        with open(client.download_artifacts(run.info.run_id, "log.txt", str(tmp_path))) as file:
            assert file.read() == f"process {number}"
    together = client.get_metric_history(shared, "all")
    assert sorted((m.step, m.value) for m in together) == [(s, n) for s in range(30) for n in range(8)]
    assert client.get_run(shared).data.metrics == {"all": 7} | {f"p{n}": 29 for n in range(8)}
    assert len(client.list_artifacts(shared, "logs")) == 8


def fill(server, experiment: str, amount: int) -> set[str]:
    """Makes runs without the client, which would take most of the time."""

    def some(numbers: range) -> list[str]:
        connection, ids = http.client.HTTPConnection(*server.url.removeprefix("http://").split(":")), []
        for number in numbers:
            # Many share a start, so that the order among them has to be settled by something else.
            tags = [{"key": "n", "value": str(number)}]
            body = {"experiment_id": experiment, "start_time": 1_000 + number // 50, "run_name": f"r{number}", "tags": tags}
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/2.0/mlflow/runs/create", json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            ids.append(json.loads(content)["run"]["info"]["run_id"])
        connection.close()
        return ids

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(some, (range(start, amount, 4) for start in range(4))))
    ids = {run for part in parts for run in part}
    assert len(ids) == amount
    return ids


def test_no_run_is_missed_or_doubled_from_page_to_page(server, tracking, client, unique, request):
    oracle = request.config.getoption("--oracle")
    amount = 1_500 if oracle else RUNS
    experiment = client.create_experiment(unique)
    ids = fill(server, experiment, amount)

    table = tracking.search_runs([experiment], max_results=amount + 1)
    assert len(table) == amount and set(table["run_id"]) == ids
    assert oracle or len(table) > PANDAS_PAGE, "more than one page"
    started = table["start_time"].astype("int64").tolist()
    assert started == sorted(started, reverse=True), "newest first"
    assert sorted(table["tags.n"].astype(int)) == list(range(amount))

    # In small pages, by a tag and with a filter.
    found, token, pages = [], None, 0
    while True:
        page = client.search_runs(
            [experiment], "tags.n LIKE '%7'", max_results=370, order_by=["tags.n ASC"], page_token=token
        )
        found += [run.data.tags["n"] for run in page]
        pages += 1
        token = page.token
        if not token:
            break
    expected = sorted(str(n) for n in range(amount) if n % 10 == 7)
    assert found == expected and pages == -(-len(expected) // 370)
    one = client.search_runs([experiment], max_results=1, order_by=["attributes.start_time ASC"])
    assert one[0].info.start_time == 1_000 and one.token

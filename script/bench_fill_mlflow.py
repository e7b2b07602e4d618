"""Puts runs and histories straight into MLflow's SQLite database: sending them would take hours.

    python bench_fill_mlflow.py DATABASE < LINES

MLflow has made the schema. Each line is a JSON object: either a run, as the body of runs/create with `run_id`,
`status` and `end_time` beside, or what a run logged, as the body of runs/log-batch. Everything is written in one
transaction, in the form that MLflow's own store gives it: a row per param, tag and point, and the latest point of
each metric once more.
"""

import json
import sqlite3
import sys

ROWS_AT_ONCE = 50_000


def main() -> None:
    database = sqlite3.connect(sys.argv[1])
    # Only for filling: the server opens the file with its own settings.
    database.execute("PRAGMA cache_size = -1000000")
    database.execute("PRAGMA synchronous = OFF")
    # Of the run that lines are about: all lines about a run follow each other.
    owner, latest = "", {}
    statements = {
        "runs": "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,"
        " end_time, source_version, lifecycle_stage, artifact_uri, experiment_id)"
        " VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', 'active', ?, ?)",
        "tags": "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)",
        "params": "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)",
        "metrics": "INSERT INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        "latest_metrics": "INSERT INTO latest_metrics (run_uuid, key, step, timestamp, value, is_nan)"
        " VALUES (?, ?, ?, ?, ?, 0)",
    }
    rows: dict[str, list[tuple]] = {table: [] for table in statements}

    def write() -> None:
        for table, statement in statements.items():
            database.executemany(statement, rows[table])
            rows[table].clear()

    for line in sys.stdin.buffer:
        body = json.loads(line)
        run_id = body["run_id"]
        if run_id != owner:
            rows["latest_metrics"] += [(owner, key, *point) for key, point in latest.items()]
            owner, latest = run_id, {}
        if "experiment_id" in body:
            place = f"mlflow-artifacts:/{body['experiment_id']}/{run_id}/artifacts"
            times = (body["start_time"], body["end_time"])
            rows["runs"].append(
                (run_id, body["run_name"], body["user_id"], body["status"], *times, place, int(body["experiment_id"]))
            )
            rows["tags"].append((run_id, "mlflow.runName", body["run_name"]))
        for table in ("tags", "params"):
            rows[table] += [(run_id, pair["key"], pair["value"]) for pair in body.get(table, ())]
        for metric in body.get("metrics", ()):
            key, value, time_ms, step = metric["key"], metric["value"], metric["timestamp"], metric["step"]
            rows["metrics"].append((run_id, key, value, time_ms, step))
            if key not in latest or (step, time_ms, value) > latest[key]:
                latest[key] = (step, time_ms, value)
        if sum(map(len, rows.values())) > ROWS_AT_ONCE:
            write()
    rows["latest_metrics"] += [(owner, key, *point) for key, point in latest.items()]
    write()
    database.commit()
    database.close()


main()

"""Runs a training script as it is and writes down everything that it logs.

    python recorder.py RECORD.jsonl SCRIPT [ARGUMENTS...]

The stock client's lowest layer is watched: what goes into its store and its artifact repository. The script is not
changed and knows nothing of it.
"""

import functools
import hashlib
import json
import runpy
import sys
import threading

from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from mlflow.store.tracking.rest_store import RestStore

LOCK = threading.Lock()


def main() -> None:
    record_path, script, *arguments = sys.argv[1:]
    record = open(record_path, "w", encoding="utf-8")

    def write(kind: str, **values) -> None:
        with LOCK:
            # NaN and infinities stay what they are: Python reads its own spelling back.
            record.write(json.dumps({"kind": kind, **values}) + "\n")
            record.flush()

    def watch(owner, name, note):
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapper(self, *args, **kwargs):
            result = original(self, *args, **kwargs)
            note(self, result, *args, **kwargs)
            return result

        setattr(owner, name, wrapper)

    def metric(run_id, m):
        write("metric", run_id=run_id, key=m.key, value=m.value, timestamp=m.timestamp, step=m.step, model=m.model_id)

    def batch(self, result, run_id, metrics, params, tags):
        for m in metrics:
            metric(run_id, m)
        for p in params:
            write("param", run_id=run_id, key=p.key, value=str(p.value))
        for t in tags:
            write("tag", run_id=run_id, key=t.key, value=str(t.value))

    def created(self, result, *args, **kwargs):
        info = result.info
        write("run", run_id=info.run_id, experiment_id=info.experiment_id, name=info.run_name, start=info.start_time)
        for key, value in result.data.tags.items():
            write("tag", run_id=info.run_id, key=key, value=value)

    def updated(self, result, run_id, run_status=None, end_time=None, run_name=None):
        write("end", run_id=run_id, status=str(run_status), end=end_time)

    def inputs(self, result, run_id, datasets=None, models=None):
        for use in datasets or []:
            d = use.dataset
            tags = {t.key: t.value for t in use.tags}
            dataset = {"name": d.name, "digest": d.digest, "source_type": d.source_type, "source": d.source}
            write("input", run_id=run_id, schema=d.schema, profile=d.profile, tags=tags, **dataset)

    def uploaded(self, result, local_file, artifact_path=None):
        with open(local_file, "rb") as file:
            content = file.read()
        parts = [artifact_path] if artifact_path else []
        path = "/".join([*parts, local_file.replace("\\", "/").rsplit("/", 1)[-1]])
        write("artifact", root=self.artifact_uri, path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    def model(self, result, *args, **kwargs):
        write("model", model_id=result.model_id, run_id=result.source_run_id, name=result.name)

    watch(RestStore, "create_run", created)
    watch(RestStore, "update_run_info", updated)
    watch(RestStore, "log_batch", batch)
    watch(RestStore, "log_metric", lambda self, result, run_id, m: metric(run_id, m))
    watch(RestStore, "log_param", lambda self, result, run_id, p: batch(self, None, run_id, [], [p], []))
    watch(RestStore, "set_tag", lambda self, result, run_id, t: batch(self, None, run_id, [], [], [t]))
    watch(RestStore, "log_inputs", inputs)
    watch(RestStore, "create_logged_model", model)
    watch(HttpArtifactRepository, "log_artifact", uploaded)

    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")


main()

"""Webhooks: what the stock client makes, and what a receiver hears."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
from conftest import Server, find_program, free_port, wait_for
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

pytestmark = pytest.mark.slipway

EVENTS = [
    WebhookEvent(WebhookEntity(entity), WebhookAction(action))
    for entity, action in [
        ("registered_model", "created"),
        ("model_version", "created"),
        ("model_version_tag", "set"),
        ("model_version_tag", "deleted"),
        ("model_version_alias", "created"),
        ("model_version_alias", "deleted"),
    ]
]


class Receiver:
    """Hears what it is told; answers with the statuses it was given, then with 200."""

    def __init__(self):
        self.heard, self.statuses, self.location = [], [], None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                receiver.heard.append((self.path, self.headers, body, status))
                self.send_response(status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count, seconds=15):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if len(self.heard) >= count:
                return self.heard
            time.sleep(0.02)
        raise AssertionError(f"heard {len(self.heard)} of {count}")


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


class Slipway:
    """A Slipway of the test's own, that can be ended and started again."""

    def __init__(self, folder, *options):
        self.folder, self.options, self.process = folder, options, None
        self.start()

    def start(self):
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SLIPWAY_", "MLFLOW_TRACKING"))}
        environment |= {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "XDG_RUNTIME_DIR": str(home)}
        port, log = free_port(), self.folder / "server.log"
        command = [str(find_program()), "serve", "--port", str(port), "--data-dir", str(self.folder / "data")]
        with log.open("ab") as sink:
            self.process = subprocess.Popen(command + list(self.options), env=environment, stdout=sink, stderr=sink)
        self.url = f"http://127.0.0.1:{port}"
        wait_for(self.url, self.process, log)
        token = json.loads((self.folder / "data" / "server.json").read_text())["token"]
        self.server = Server(self.url, token, False)
        self.client = mlflow.MlflowClient(self.url, self.url)

    def end(self, kill=False):
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def slipway(tmp_path):
    slipway = Slipway(tmp_path, "--webhooks-to-private")
    yield slipway
    slipway.end()


def check_signature(headers, body, secret):
    signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.{body.decode()}"
    made = base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()).decode()
    assert headers["X-MLflow-Signature"] == f"v1,{made}"
    assert abs(int(headers["X-MLflow-Timestamp"]) - time.time()) < 60


def test_the_registry_is_told_as_mlflow_tells_it(slipway, receiver):
    client, secret, name = slipway.client, "a secret", "fraud model"
    webhook = client.create_webhook("hook-1", receiver.url, EVENTS, description="for a test", secret=secret)
    assert (webhook.name, webhook.url, webhook.status, webhook.secret) == ("hook-1", receiver.url, WebhookStatus.ACTIVE, None)
    client.create_registered_model(name, tags={"k": "v"}, description="notes")
    client.create_model_version(name, "s3://bucket/model", tags={"a": "b"})
    client.set_model_version_tag(name, "1", "checked", "yes")
    client.delete_model_version_tag(name, "1", "checked")
    client.set_registered_model_alias(name, "champion", "1")
    client.delete_registered_model_alias(name, "champion")
    heard = receiver.wait_for(6)
    told = [json.loads(body) for _, _, body, _ in heard]
    for (_, headers, body, _), words in zip(heard, told):
        check_signature(headers, body, secret)
        assert headers["Content-Type"] == "application/json" and words["timestamp"].endswith("+00:00")
    assert [(words["entity"], words["action"]) for words in told] == [(e.entity.value, e.action.value) for e in EVENTS]
    assert told[0]["data"] == {"name": name, "tags": {"k": "v"}, "description": "notes"}
    assert told[1]["data"] == {
        "name": name, "version": "1", "source": "s3://bucket/model", "run_id": None, "tags": {"a": "b"}, "description": None,
    }
    assert told[2]["data"] == {"name": name, "version": "1", "key": "checked", "value": "yes"}
    assert told[3]["data"] == {"name": name, "version": "1", "key": "checked"}
    assert told[4]["data"] == {"name": name, "alias": "champion", "version": "1"}
    assert told[5]["data"] == {"name": name, "alias": "champion"}
    assert len({headers["X-MLflow-Delivery-Id"] for _, headers, _, _ in heard}) == 6
    log = slipway.server.own("GET", "/webhooks/deliveries", params={"webhook": webhook.webhook_id}).json()["deliveries"]
    assert {(entry["state"], entry["status"], entry["attempts"]) for entry in log} == {("delivered", 200, 1)}
    # Nothing gives a secret away, and nobody else may read what opens it.
    folder = slipway.folder / "data"
    for path in folder.glob("slipway.db*"):
        assert secret.encode() not in path.read_bytes(), path
    assert (folder / "webhooks.key").stat().st_mode & 0o777 == 0o600
    for text in (str(slipway.server.own("GET", "/webhooks").text), str(slipway.server.get("webhooks").text)):
        assert "hook-1" in text and secret not in text


def test_webhooks_are_changed_tried_and_removed(slipway, receiver):
    client = slipway.client
    webhook = client.create_webhook("hook", receiver.url, [EVENTS[0]], status=WebhookStatus.DISABLED)
    client.create_registered_model("quiet")
    changed = client.update_webhook(webhook.webhook_id, name="hook-2", events=EVENTS[:2], status=WebhookStatus.ACTIVE)
    assert (changed.name, len(changed.events), changed.status) == ("hook-2", 2, WebhookStatus.ACTIVE)
    assert [found.webhook_id for found in client.list_webhooks()] == [webhook.webhook_id]
    result = client.test_webhook(webhook.webhook_id)
    assert (result.success, result.response_status, result.response_body) == (True, 200, "ok")
    receiver.statuses = [404]
    result = client.test_webhook(webhook.webhook_id, EVENTS[4])
    assert (result.success, result.response_status) == (False, 404)
    assert json.loads(receiver.heard[-1][2])["data"] == {"name": "example_model", "alias": "example_alias", "version": "1"}
    assert len(receiver.heard) == 2
    client.delete_webhook(webhook.webhook_id)
    with pytest.raises(MlflowException, match="not found"):
        client.get_webhook(webhook.webhook_id)
    for name, url, events in [("-x", receiver.url, EVENTS), ("x", "ftp://a/b", EVENTS), ("x", "https://u:p@a/b", EVENTS), ("x" * 64, receiver.url, EVENTS)]:
        with pytest.raises(MlflowException):
            client.create_webhook(name, url, events)


def test_a_refusal_is_tried_again_and_outlives_a_crash(slipway, receiver):
    client = slipway.client
    webhook = client.create_webhook("hook", receiver.url, [EVENTS[0]])
    receiver.statuses = [503, 429]
    client.create_registered_model("patient")
    heard = receiver.wait_for(1)
    # It is in the queue, and goes on in the next process under the same id.
    slipway.end(kill=True)
    slipway.start()
    heard = receiver.wait_for(3)
    assert [status for _, _, _, status in heard] == [503, 429, 200]
    assert len({headers["X-MLflow-Delivery-Id"] for _, headers, _, _ in heard}) == 1
    assert len({body for _, _, body, _ in heard}) == 1
    receiver.statuses = [400]
    slipway.client.create_registered_model("refused")
    receiver.wait_for(4)
    time.sleep(0.3)
    log = slipway.server.own("GET", "/webhooks/deliveries", params={"webhook": webhook.webhook_id}).json()["deliveries"]
    assert [(entry["model"], entry["state"], entry["status"]) for entry in log] == [("refused", "given_up", 400), ("patient", "delivered", 200)]
    slipway.server.own("POST", "/webhooks/deliveries/again", json={"id": log[0]["id"]})
    assert receiver.wait_for(5)[-1][3] == 200


def test_a_redirect_is_not_followed(slipway, receiver):
    other = Receiver()
    receiver.location, receiver.statuses = other.url, [302, 307]
    webhook = slipway.client.create_webhook("hook", receiver.url, [EVENTS[0]])
    result = slipway.client.test_webhook(webhook.webhook_id)
    assert (result.success, result.response_status) == (False, 302)
    slipway.client.create_registered_model("m")
    receiver.wait_for(2)
    time.sleep(0.5)
    log = slipway.server.own("GET", "/webhooks/deliveries", params={"webhook": webhook.webhook_id}).json()["deliveries"]
    assert log[0]["state"] == "given_up" and "redirects" in log[0]["problem"]
    assert other.heard == [] and len(receiver.heard) == 2
    other.server.shutdown()


def test_nothing_is_told_to_this_machine_unless_that_was_allowed(server, receiver):
    """The server of all other tests was started without the option."""
    client = mlflow.MlflowClient(server.url, server.url)
    port = receiver.url.rsplit(":", 1)[1]
    for url in [
        receiver.url, f"https://127.0.0.1:{port}", f"https://localhost:{port}", "https://10.0.0.1/x", "https://[::1]/x",
        "https://169.254.169.254/latest/meta-data", "https://[::ffff:127.0.0.1]/x", "http://example.org/x", "file:///etc/passwd",
    ]:
        with pytest.raises(MlflowException, match="Invalid webhook URL"):
            client.create_webhook("hook", url, EVENTS)
    # A name that leads here is found out when it counts. `localtest` names do; the system's own name does as well.
    webhook = client.create_webhook("named", f"https://{os.uname().nodename}.:{port}/x", EVENTS[:1])
    assert not client.test_webhook(webhook.webhook_id).success
    assert receiver.heard == []
    client.delete_webhook(webhook.webhook_id)
    assert uuid.UUID(webhook.webhook_id)


NAMES = ["fraud model", "100% sure", "ціна-价格-цена", "a..b&c=d#e?f", "at@home", "x" * 250]


def test_names_reach_commands_and_receivers_as_they_are(slipway, receiver):
    def command(*words):
        line = [str(find_program()), "--data-dir", str(slipway.folder / "data"), "models", *words, "--json"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    slipway.client.create_webhook("hook", receiver.url, [EVENTS[4]])
    for name in NAMES:
        slipway.client.create_registered_model(name)
        for _ in range(2):
            slipway.client.create_model_version(name, "s3://bucket/model")
        slipway.client.set_registered_model_alias(name, "champion", "1")
        assert command("show", f"{name}@champion")["version"]["version"] == 1
        assert command("promote", f"{name}/2", "@champion")["previous"] == 1
        assert command("rollback", name, "@champion")["version"] == 1
        assert [entry["to"] for entry in command("history", name)["entries"][:3]] == ["1", "2", "1"]
        quote = '"' if "'" in name else "'"
        assert [row["name"] for row in command("ls", "--filter", f"name = {quote}{name}{quote}")["models"]] == [name]
    heard = receiver.wait_for(3 * len(NAMES))
    assert {json.loads(body)["data"]["name"] for _, _, body, _ in heard} == set(NAMES)

"""The scenario with python-socketio: client.py URL TRANSPORTS SCENARIO, the transports with commas between them.

Says `cut` on standard output where the scenario cuts the connections, and nothing else; what fails ends it.
"""

import base64
import json
import queue
import sys
import threading
import time

import socketio

WITHIN = 15


def value(json_value):
    """A value of the scenario as this client takes it."""
    if isinstance(json_value, list):
        return [value(inner) for inner in json_value]
    if not isinstance(json_value, dict):
        return json_value
    if "$bytes" in json_value:
        return base64.b64decode(json_value["$bytes"])
    if "$text" in json_value:
        text, times = json_value["$text"]
        return text * times
    return {key: value(inner) for key, inner in json_value.items()}


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r:.300}, got {actual!r:.300}")


class Client:
    def __init__(self, url, transports):
        self.url = url
        self.transports = transports
        self.settled = "polling" if transports == ["polling"] else "websocket"

    def connect(self, step):
        self.came = {namespace: queue.Queue() for namespace in step["namespaces"]}
        self.back = {namespace: threading.Event() for namespace in step["namespaces"]}
        self.client = socketio.Client(reconnection_delay=0.1, reconnection_delay_max=0.5)
        for namespace in step["namespaces"]:
            self.listen(namespace)
        self.client.connect(
            self.url, transports=self.transports, namespaces=step["namespaces"], auth=step["auth"], wait_timeout=WITHIN
        )

    def listen(self, namespace):
        # An event without arguments has none here either.
        self.client.on("*", lambda event, *args: self.came[namespace].put([event, *args]), namespace=namespace)
        self.client.on("connect", self.back[namespace].set, namespace=namespace)

    def emit(self, step):
        self.client.emit(step["event"], tuple(value(step["args"])), namespace=step["namespace"])

    def expect(self, step):
        came = self.came[step["namespace"]].get(timeout=WITHIN)
        equal(came, [step["event"], *value(step["args"])])

    def ask(self, step):
        answer = self.client.call(step["event"], tuple(value(step["args"])), namespace=step["namespace"], timeout=WITHIN)
        # One argument comes alone, several as a tuple or list, none as None.
        wanted = value(step["answer"])
        if len(wanted) == 1:
            answer = [answer]
        equal(list(answer or []), wanted)

    def burst(self, step):
        filler = value(step["filler"])
        for i in range(step["count"]):
            self.client.emit(step["event"], (i, filler), namespace=step["namespace"])
        for i in range(step["count"]):
            equal(self.came[step["namespace"]].get(timeout=WITHIN), [step["answer"], i, filler])

    def settle(self, _step):
        deadline = time.monotonic() + WITHIN
        while self.client.transport() != self.settled:
            if time.monotonic() > deadline:
                raise AssertionError(f"the transport is {self.client.transport()}, not {self.settled}")
            time.sleep(0.05)

    def refused(self, step):
        errors = queue.Queue()
        stranger = socketio.Client(reconnection=False)
        stranger.on("connect_error", errors.put, namespace=step["namespace"])
        try:
            stranger.connect(self.url, transports=self.transports, namespaces=[step["namespace"]], wait_timeout=WITHIN)
        except socketio.exceptions.ConnectionError:
            pass
        else:
            raise AssertionError("it was let in")
        equal(errors.get(timeout=WITHIN)["message"], step["message"])
        stranger.disconnect()

    def cut(self, _step):
        for back in self.back.values():
            back.clear()
        print("cut", flush=True)
        for back in self.back.values():
            if not back.wait(WITHIN):
                raise AssertionError("it did not come back")

    def disconnect(self, _step):
        self.client.disconnect()


def main():
    url, transports, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        steps = json.load(file)["steps"]
    client = Client(url, transports.split(","))
    for index, step in enumerate(steps):
        if "python" in step.get("without", {}):
            continue
        try:
            getattr(client, step["do"])(step)
        except Exception as error:
            sys.exit(f"step {index} ({step['do']} {step.get('event', '')} in {step.get('namespace', '')}): {error!r}")


main()

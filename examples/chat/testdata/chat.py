"""The chat with the Python client: python chat.py URL HOW."""

import json
import queue
import sys
import urllib.request

import socketio

url, how = sys.argv[1:]


def login(name):
    request = urllib.request.Request(url + "/token", json.dumps({"name": name}).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Visitor:
    """One client, with what it was sent."""

    def __init__(self, name):
        self.user, self.token = None, None
        if name:
            got = login(name)
            self.user, self.token = got["user"], got["token"]
        self.events = {name: queue.Queue() for name in ("message", "userJoined", "typing", "connect_error")}
        self.client = socketio.Client()
        for event, into in self.events.items():
            # The gateway recovers, so that an offset follows the arguments.
            self.client.on(event, lambda data=None, *offset, into=into: into.put(data), namespace="/chat")

    def connect(self, within=10):
        self.client.connect(url, namespaces=["/chat"], transports=[how], auth={"token": self.token or ""}, wait_timeout=within)
        return self

    def ask(self, event, data):
        return self.client.call(event, data, namespace="/chat", timeout=10)

    def next(self, event):
        return self.events[event].get(timeout=10)


stranger = Visitor(None)
try:
    stranger.connect(within=1)
    sys.exit("a stranger was let in")
except socketio.exceptions.ConnectionError:
    assert stranger.next("connect_error")["data"]["code"] == "unauthorized"

ada = Visitor("Ada").connect()
bob = Visitor("Bob").connect()
assert ada.next("userJoined") == {"room": "general", "user": bob.user}
assert ada.ask("joinRoom", {"room": "python"}) == {"room": "python", "people": [ada.user], "history": []}
assert bob.ask("joinRoom", {"room": "python"})["people"] == [ada.user, bob.user]
assert ada.next("userJoined") == {"room": "python", "user": bob.user}

mine = ada.ask("message", {"room": "python", "text": "grüße <&>"})
assert mine["user"] == ada.user and mine["text"] == "grüße <&>", mine
assert bob.next("message") == mine
assert ada.ask("message", {"room": "elsewhere", "text": "x"})["error"]["code"] == "forbidden"

picture = bytes(range(256))
ada.ask("file", {"room": "python", "type": "image/png", "file": picture})
assert bob.next("message")["file"] == picture
assert bob.ask("joinRoom", {"room": "python"})["history"][1]["file"] == picture

for visitor in (ada, bob):
    visitor.client.disconnect()

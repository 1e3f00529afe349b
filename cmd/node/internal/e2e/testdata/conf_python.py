"""The stock Python client at the conformance server: python conf_python.py URL TRANSPORT."""
import sys
import threading

import socketio

url, how = sys.argv[1], sys.argv[2]
transports = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}[how]


class Gate:
    """Events of one client, by name."""

    def __init__(self, client, namespace):
        self.got, self.changed = {}, threading.Condition()
        client.on("*", self.note, namespace=namespace)

    def note(self, event, *args):
        with self.changed:
            self.got.setdefault(event, []).append(args)
            self.changed.notify_all()

    def wait(self, event, count=1):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got.get(event, [])) >= count, 10), f"no {event}: {self.got}"
            return self.got[event][count - 1]


def connect(namespace, auth):
    client = socketio.Client(reconnection=False)
    gate = Gate(client, namespace)
    client.on("q", lambda *args: "pong", namespace=namespace)
    client.on("file", lambda *args: b"\x00\x01\xff", namespace=namespace)
    client.connect(url, transports=transports, namespaces=[namespace], auth=auth, wait_timeout=10)
    return client, gate, lambda event, *args: client.call(event, args, namespace=namespace, timeout=10)


NS = "/conf/python"
a, heard_a, ask_a = connect(NS, {"token": "user:ada", "mark": "m"})
b, heard_b, ask_b = connect(NS, {"token": "user:bob"})

me = ask_a("whoami")
assert me["user"] == "ada" and me["namespace"] == NS and me["id"] == a.get_sid(NS), me

# A token that is not valid is refused with a code.
refused = threading.Event()
stranger, refusals = socketio.Client(reconnection=False), []
stranger.on("connect_error", lambda data: (refusals.append(data), refused.set()), namespace=NS)
stranger.connect(url, transports=transports, namespaces=[NS], auth={"token": "nonsense"}, wait=False)
assert refused.wait(10) and refusals[0]["data"]["code"] == "unauthorized", refusals
stranger.disconnect()

# Rooms.
assert ask_a("join", ["x", "y"]) == [a.get_sid(NS), "x", "y"]
assert ask_b("join", ["x"]) == [b.get_sid(NS), "x"]
assert sorted(i["user"] for i in ask_a("members", {"rooms": ["x"]})) == ["ada", "bob"]
assert ask_a("leave", ["y"]) == [a.get_sid(NS), "x"]

# A message to the others of a room, to everyone, and to nobody else.
ask_a("emit", {"to": {"self": True, "rooms": ["x"]}, "event": "message", "args": ["hello", {"n": 1.5}]})
assert heard_b.wait("message") == ("hello", {"n": 1.5})
ask_a("emit", {"to": {}, "event": "all", "args": [1]})
assert heard_a.wait("all") == (1,) and heard_b.wait("all") == (1,)
assert "message" not in heard_a.got

# Acknowledgements of the clients, and the answers of a whole room.
assert ask_a("askMe", {"event": "q", "timeout": 5000}) == "pong"
assert ask_a("askMe", {"event": "file", "timeout": 5000}) == b"\x00\x01\xff"
answers = ask_a("ask", {"to": {"rooms": ["x"]}, "event": "q", "timeout": 5000})
assert answers["code"] == "", answers
assert {k: v["args"] for k, v in answers["answers"].items()} == {a.get_sid(NS): ["pong"], b.get_sid(NS): ["pong"]}, answers

# Binary both ways, deep and at the top.
data = bytes([0, 1, 2, 250, 255])
assert ask_a("value", {"deep": [data, {"and": data}], "text": "t"}) == {"deep": [data, {"and": data}], "text": "t"}
ask_a("bytes", data)
assert heard_b.wait("bytes") == (data, {"and": data})

# Errors have a code, as an acknowledgement and without one.
assert ask_a("fail") == {"error": {"code": "no_tea", "message": "no tea left", "data": 7}}
a.emit("blocked", namespace=NS)
problem = heard_a.wait("exception")[0]
assert problem["code"] == "blocked" and problem["event"] == "blocked", problem

# Sent away: the client is told and does not come back.
gone = threading.Event()
b.on("disconnect", lambda *args: gone.set(), namespace=NS)
ask_a("move", {"to": {"rooms": [b.get_sid(NS)]}, "disconnect": True})
assert gone.wait(10)
assert [i["user"] for i in ask_a("members", {"rooms": ["x"]})] == ["ada"]

b.disconnect()
a.disconnect()
print("ok")

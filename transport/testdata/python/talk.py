"""One python-socketio client talks to an echo server: talk.py URL HOW, where
HOW is websocket, polling or upgrade."""
import sys
import threading

import socketio

url, how = sys.argv[1:]
transports = ["polling", "websocket"] if how == "upgrade" else [how]
client = socketio.Client(reconnection=False)
got = {}
came = threading.Condition()


def record(event):
    def handler(*args):
        with came:
            got.setdefault(event, []).append(list(args))
            came.notify_all()

    return handler


for name in ("text", "binary"):
    for namespace in ("/", "/board/q3"):
        client.on(name, record(name), namespace=namespace)


def wait(event):
    with came:
        assert came.wait_for(lambda: got.get(event), timeout=10), f"no {event}"
        return got[event].pop(0)


client.connect(url, transports=transports, namespaces=["/", "/board/q3"], auth={"token": "t"}, wait_timeout=10)
try:
    assert client.get_sid("/board/q3") == "m/board/q3"
    for namespace in ("/", "/board/q3"):
        client.emit("text", ("héllo", 1.5, None, {"a": [True]}), namespace=namespace)
        assert wait("text") == ["héllo", 1.5, None, {"a": [True]}]
        client.emit("binary", (b"\x01\x02", {"deep": [b"x"]}), namespace=namespace)
        assert wait("binary") == [b"\x01\x02", {"deep": [b"x"]}]
        assert list(client.call("ask", ("a", b"\x03"), namespace=namespace, timeout=10)) == ["a", b"\x03"]
    assert client.transport() == ("polling" if how == "polling" else "websocket"), client.transport()
finally:
    client.disconnect()

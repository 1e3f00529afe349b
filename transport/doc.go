// Package transport lets Socket.IO v4 clients in: an http.Handler that speaks
// Engine.IO protocol 4 over polling and WebSocket, with upgrades from one to
// the other, and Socket.IO protocol 5 in the JSON and the msgpack format. It
// hands packets to an [actors.Gate] and knows nothing of rooms.
//
//	handler, err := transport.New(node, transport.Config{})
//	if err != nil {
//		return err
//	}
//	server := &http.Server{
//		Handler:           handler.Mount(routes),
//		ReadHeaderTimeout: 5 * time.Second,
//		IdleTimeout:       75 * time.Second,
//		MaxHeaderBytes:    16 << 10,
//	}
//
// At the end, handler.Close comes before server.Shutdown, which knows nothing
// of WebSockets and would wait for every GET.
//
// # What it costs
//
// A session is one state machine under one lock, without a goroutine of its
// own. A polling session uses those of its requests. A WebSocket has one
// reader; writing is done by whoever calls Flush, which never blocks, and only
// a socket that does not keep up has a goroutine for that while it lasts. A
// packet is encoded once for all clients of the same format and transport.
//
// # How a session ends
//
// Closing makes a stock client reconnect, whatever the reason; only the packet
// DISCONNECT, which the runtime sends, does not. Connection.Closed is called
// exactly once, possibly on the goroutine that called Push, Flush or Close of
// the socket.
//
//	reason             polling: the GET gets          WebSocket: close code
//	transport_closed   6, once, if the client said 1  its own, or none if it just left
//	transport_error    -                              none: the socket failed
//	ping_timeout       1 if one waits                 1008
//	connect_timeout    1                              1008
//	protocol_error     1 if one waits                 1002; 1007 not UTF-8; 1009 above a size limit
//	too_slow           1 if one waits                 none: the socket is reset
//	kicked, expired, revoked   1                      1008
//	rate_limited       1                              1008
//	overloaded         1                              1013
//	shutdown, node_lost        1                      1012
//	replaced and others        1                      1000
//
// "1" without a condition means that a client between two polls is told with
// its next one, within Config.CloseTimeout; first with what waited, then with
// this. Later, or where the condition is
// not met, its next GET is answered 400 with code 1, Session ID unknown.
//
// # What is refused
//
// Every refusal is a JSON body {"code", "message"} with one of the codes of
// Engine.IO and is counted in [Stats] by its reason; see [Refusal] for the
// statuses. A WebSocket upgrade is refused with the bare message.
package transport

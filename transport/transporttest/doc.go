// Package transporttest has what tests of a Socket.IO server need: a client that
// costs little enough to have thousands of them in one process, with access to
// the frames below, and a net.Conn with faults.
//
//	client, err := transporttest.Dial(ctx, "http://127.0.0.1:8080", transporttest.Options{})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	board, err := client.Connect(ctx, "/board/q3", map[string]string{"name": "Ada"})
//	if err != nil {
//		return err // a *ConnectError if the room refused
//	}
//	id, err := board.EmitAck(ctx, "add", Note{Text: "hello"})
//	event, err := board.Next(ctx)
//
// The client shares its codecs with the server: that both are right is shown by
// the tests with the JavaScript client.
package transporttest

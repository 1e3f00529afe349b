// Package corpus is a corpus of bad inputs, each with the exact safe outcome
// that it has, and the test that sends them to the ready-made server over raw
// sockets while stock clients count their messages beside it.
//
// The inputs are the files testdata/*.txt. A case begins with "== " and its
// name; each line after that is a step:
//
//	request "GET /x" ["Header: value" …]   an HTTP request without a body
//	post SID BODY ["Header: value" …]      a POST of a polling session
//	get SID                                a poll
//	poll                                   opens a session by polling, which {sid} then is
//	ws [QUERY] ["Header: value" …]         opens a session by WebSocket
//	enter NAMESPACE [JSON]                 enters a room, with a good token
//	tcp                                    opens a connection, and nothing more
//	send BYTES …, repeat N BYTES           writes
//	text MESSAGE                           writes a WebSocket message
//	frame HEX PAYLOAD                      writes one masked frame with that first byte
//	frames N HEX PAYLOAD                   writes N of them, {n} being the number
//	fin                                    ends the client's half of the connection
//	reset                                  resets the connection
//	status CODE [BODY]                     an HTTP response follows
//	header NAME VALUE                      which had this header; empty: not
//	want MESSAGE                           the next message is this one
//	until MESSAGE                          and others may precede it
//	close CODE                             the WebSocket is closed with this code
//	eof [MIN MAX]                          the connection is closed, that long after the last write
//
// A text in quotes is Go's. {host} and {sid} stand for what they name, {x*9} for
// nine times x, and … at the end of what is expected for anything. {token} is a
// good token, {other} one of another subject, {old} has expired, {brief} does
// so in some seconds, and {limited} allows to begin and enter /lobby/allowed and
// to send chat there, and to send anything in rooms whose names begin with
// sealed. {visitor} may enter every room and begin none; {flooder} is a good
// one for floods, whose subject has its fill of rooms soon.
package corpus

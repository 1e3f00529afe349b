// Package lasting shows what rooms that last promise, as clients see it: over
// Socket.IO, while the server is killed, the store fails, and connections drop.
// It holds tests only.
package lasting

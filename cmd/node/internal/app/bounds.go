package app

import (
	"net"
	"net/http"
	"time"
)

const (
	// sendBuffer is what the kernel holds for a client that stopped reading, in
	// bytes; it would let that grow to some 4 MB. Linux doubles the value.
	sendBuffer = 64 << 10

	// maxConnections is the most that is taken where the configuration does not
	// say.
	maxConnections = 100_000

	// A page is small: whoever needs longer for a request or an answer holds a
	// goroutine for its own sake. Socket.IO has deadlines of its own.
	requestTimeout = 15 * time.Second
	answerTimeout  = time.Minute
)

// bounded is a listener whose connections have a bounded send buffer. They stay
// what they are: the transport looks at their type.
type bounded struct{ net.Listener }

func (l bounded) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // its failure harms nobody but this client
	}
	return c, err
}

// timed bounds the time of a request's body and of its answer.
func timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc, start := http.NewResponseController(w), time.Now()
		_ = rc.SetReadDeadline(start.Add(requestTimeout)) // the server sets it anew for each request
		_ = rc.SetWriteDeadline(start.Add(answerTimeout))
		next.ServeHTTP(w, r)
	})
}

// connections is how many connections are taken at a time, of a process that
// may open so many files: zero if that is not known. A tenth of them is left for
// refusing others, for the operators and for everything else.
func connections(configured, files int) int {
	if configured > 0 {
		return configured
	}
	if files == 0 {
		return maxConnections
	}
	return max(1, min(files/10*9, maxConnections))
}

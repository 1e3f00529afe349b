package outbox

// Lagging reports whether frames of an earlier Flush wait for the socket: it
// took less than it was given. What was pushed and not flushed does not count.
// A connection that can only be written to by waiting lags when a second Flush
// came before the write of the first had returned. Any goroutine may call it.
func (o *Outbox) Lagging() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.behind || o.raw == nil && o.wait != nil && o.again
}

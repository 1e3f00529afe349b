package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlor-rooms/parlor/actors"
)

// endsAt checks that a session ended for a reason, so long after start.
func (c *echoConn) endsAt(t testing.TB, start time.Time, after time.Duration, why actors.LeaveReason) {
	t.Helper()
	<-c.gone
	synctest.Wait()
	if got := c.closedAt.Sub(start); got != after || len(c.closed) != 1 || c.closed[0] != why {
		t.Errorf("ended after %v with %v, want %v with %s", got, c.closed, after, why)
	}
}

// pass lets time pass, which in a synctest bubble takes none.
func pass(d time.Duration) { <-time.After(d) }

func TestWebSocketIsPingedAndDiesOnTimeWithoutAPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		start := time.Now()
		ws, c := s.enterWebSocket()
		for i := range 3 {
			ws.wantLate("2")
			if got, want := time.Since(start), time.Duration(i+1)*25*time.Second+time.Duration(i)*7*time.Second; got != want {
				t.Errorf("ping %d came after %v, want %v", i, got, want)
			}
			pass(7 * time.Second)
			ws.text("3")
		}
		ws.wantLate("2")
		ws.text(`42["a"]`) // only a pong counts
		ws.want(`42["a"]`)
		ws.wantCloseLate(1008)
		c.endsAt(t, start, 3*32*time.Second+45*time.Second, actors.ReasonPingTimeout)
	})
}

func TestPollingIsPingedAndDiesOnTimeWithoutAPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		start := time.Now()
		p := s.enter()
		p.wantGet(200, "2")
		if got := time.Since(start); got != 25*time.Second {
			t.Errorf("ping came after %v", got)
		}
		p.wantPost("3", 200)
		p.wantGet(200, "2")
		if got := time.Since(start); got != 50*time.Second {
			t.Errorf("ping came after %v", got)
		}
		pass(20*time.Second - 1)
		p.wantPost("6", 200)
		pass(1)
		p.wantUnknown()
		p.conn.endsAt(t, start, 70*time.Second, actors.ReasonPingTimeout)
	})
}

func TestPollingClientThatWaitsIsToldOfThePingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		start := time.Now()
		p := s.enter()
		p.wantGet(200, "2")
		p.wantGet(200, "1")
		p.conn.endsAt(t, start, 45*time.Second, actors.ReasonPingTimeout)
	})
}

func TestSessionThatJoinsNothingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		start := time.Now()
		p := s.poll()
		pass(10*time.Second - 1)
		start = start.Add(10*time.Second - 1)
		p.wantPost("40/refused,", 200)
		p.wantGet(200, `44/refused,{"message":"no seat is left","data":{"code":"room_full"}}`)
		p.wantGet(200, "2")
		p.wantPost("3\x1e40/refused,", 200) // asking again buys no time
		p.wantGet(200, `44/refused,{"message":"no seat is left","data":{"code":"room_full"}}`)
		p.wantGet(200, "2")
		p.wantPost("3", 200)
		p.wantGet(200, "1")
		p.conn.endsAt(t, start, 45*time.Second, actors.ReasonConnectTimeout)
		p.wantUnknown()
	})
}

func TestSessionThatSaysNothingIsClosed(t *testing.T) {
	for _, transport := range []string{Polling, WebSocket} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, end := serveInMemory(t, Config{})
				defer end()
				start := time.Now()
				var c *echoConn
				if transport == Polling {
					p := s.poll()
					p.wantGet(200, "1")
					c = p.conn
				} else {
					var ws *rawSocket
					ws, c = s.openWebSocket()
					ws.wantCloseLate(1008)
				}
				c.endsAt(t, start, 10*time.Second, actors.ReasonConnectTimeout)
			})
		})
	}
}

func TestSessionThatJoinedIsNotClosedByTheConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{ConnectTimeout: time.Second})
		defer end()
		p := s.enter()
		pass(10 * time.Second)
		p.wantPost(`42["a"]`, 200)
		p.wantGet(200, `42["a"]`)
	})
}

func TestAttachmentsHaveToComeInTime(t *testing.T) {
	const packet = `451-["a",{"_placeholder":true,"num":0}]`
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		ws, c := s.enterWebSocket()
		ws.text(packet)
		pass(10*time.Second - 1)
		ws.frame(0x82, "\x01")
		ws.want(packet)
		ws.read()
		pass(3 * time.Second)

		start := time.Now()
		ws.text(packet)
		ws.wantCloseLate(1002)
		c.endsAt(t, start, 10*time.Second, actors.ReasonProtocolError)
	})
}

func TestUpgradeKeepsTheDeadlinesOfPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		start := time.Now()
		p := s.enter()
		pass(5 * time.Second)
		ws := p.probe()
		pass(5 * time.Second)
		ws.text("5")
		ws.wantLate("2")
		if got := time.Since(start); got != 25*time.Second {
			t.Errorf("ping came after %v", got)
		}
		ws.wantCloseLate(1008)
		p.conn.endsAt(t, start, 45*time.Second, actors.ReasonPingTimeout)
	})
}

func TestPingThatFallsDueDuringAnUpgradeIsSentAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		p := s.enter()
		pass(20 * time.Second)
		ws := p.probe()
		pass(6 * time.Second)
		ws.text("5")
		ws.want("2")
	})
}

func TestSilentProbeIsGivenUpAfterTheUpgradeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		p := s.enter()
		ws := p.webSocket("transport=websocket&sid=" + p.sid)
		start := time.Now()
		ws.wantCloseLate(-1)
		if got := time.Since(start); got != 10*time.Second {
			t.Errorf("given up after %v", got)
		}
		p.wantPost(`42["a"]`, 200)
		p.wantGet(200, `42["a"]`)
	})
}

func TestBodyThatDoesNotComeEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{})
		defer end()
		p := s.enter()
		start := time.Now()
		conn := s.sendBytes("POST /socket.io/?EIO=4&transport=polling&sid=" + p.sid + " HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n42[")
		defer conn.Close()
		p.conn.endsAt(t, start, 15*time.Second, actors.ReasonTransportClosed)
	})
}

func TestWordOfTheEndIsKeptForPollingClientsForALimitedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, end := serveInMemory(t, Config{CloseTimeout: 3 * time.Second})
		defer end()
		p, q := s.enter(), s.enter()
		p.conn.socket.Close(actors.ReasonShutdown)
		q.conn.socket.Close(actors.ReasonShutdown)
		pass(3*time.Second - 1)
		p.wantGet(200, "1")
		pass(1)
		q.wantUnknown()
	})
}

// Whoever waits for the runtime cannot show that it is alive.
func TestClientThatTheRuntimeHoldsUpDoesNotDieOfIt(t *testing.T) {
	for _, how := range []string{"websocket", "polling"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, end := serveInMemory(t, Config{})
				defer end()
				release := make(chan struct{})
				s.gate.receive(func(_ *echoConn, p *actors.Packet) bool {
					if string(p.Data) == `["hold"]` {
						<-release
					}
					return false
				})
				start := time.Now()
				var conn *echoConn
				if how == "polling" {
					p := s.enter()
					conn = p.conn
					go func() { // ends when the runtime goes on
						p.wantPost(`42["hold"]`, 200)
						p.wantPost("3", 200)
					}()
				} else {
					var ws *rawSocket
					ws, conn = s.enterWebSocket()
					ws.text(`42["hold"]`)
					if err := ws.conn.SetWriteDeadline(time.Time{}); err != nil {
						t.Fatal(err)
					}
					go func() { _, _ = ws.conn.Write(maskedFrame(0x81, []byte("3"))) }() // ends when the reader goes on
					ws.late = true
					go func() { // ends with the connection
						for {
							if _, _, err := ws.tryRead(); err != nil {
								return
							}
						}
					}()
				}
				pass(80 * time.Second)
				if !conn.isOpen() {
					t.Fatalf("ended with %v after %v", conn.closed, conn.closedAt.Sub(start))
				}
				close(release)
				conn.endsAt(t, start, 80*time.Second+45*time.Second, actors.ReasonPingTimeout)
			})
		})
	}
}

// A process that was stopped for a while must not find its sessions dead.
func TestPongOfALatePingHasItsWholeTimeout(t *testing.T) {
	const timeout = 20 * time.Second
	for _, c := range []struct {
		name   string
		pinged instant // when the ping was sent that was due at 25 s
		dies   instant
	}{
		{"on time", 25 * time.Second, 45 * time.Second},
		{"a little late", 28 * time.Second, 45 * time.Second},
		{"very late", 100 * time.Second, 120 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deadlines{ping: 25 * time.Second}
			if got := d.check(c.pinged, timeout); got != duePing {
				t.Fatalf("due %d", got)
			}
			if got := d.check(c.dies-1, timeout); got != dueNothing {
				t.Errorf("due %d before it dies", got)
			}
			if got := d.check(c.dies, timeout); got != duePingTimeout {
				t.Errorf("due %d when it dies", got)
			}
		})
	}
}

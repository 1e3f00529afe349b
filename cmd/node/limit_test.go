package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestTheLeastLimitOfTheCgroupsCounts(t *testing.T) {
	root := t.TempDir()
	for dir, text := range map[string]string{".": "", "pod": "2000\n", "pod/app": "max\n", "pod/app/worker": "3000\n", "free": "max\n"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(root, dir, "memory.max"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for membership, want := range map[string]int64{
		"0::/pod/app/worker\n": 2000, "0::/pod\n": 2000, "0::/free\n": 0, "0::/\n": 0, "0::/elsewhere\n": 0, "": 0,
		"5:memory:/pod\n0::/free\n": 0, "0::/../pod\n": 2000,
	} {
		if got := cgroupLimit(root, []byte(membership)); got != want {
			t.Errorf("%q: %d, want %d", membership, got, want)
		}
	}
}

// TestAProcessNearItsMemoryLimitTakesNobodyAndLives fills the rooms of a process
// until it refuses more connections, and empties them again.
func TestAProcessNearItsMemoryLimitTakesNobodyAndLives(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "48MiB")
	p := start(t, "serve", "--listen=127.0.0.1:0", "--transport-connect-rate=100000", "--transport-max-per-address=0",
		`--kinds={lobby: {idle_after: 1s, events: {fill: {keep: true, max_bytes: 60000}}}}`)
	url := strings.TrimSuffix(p.line(t, "msg=serving .*url=(http://[^ ]+/)"), "/")
	dial := func() (*transporttest.Client, error) {
		return transporttest.Dial(t.Context(), url, transporttest.Options{Skip: func(m []byte) bool { return m[0] == '2' }})
	}
	stays, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	room, err := stays.Connect(t.Context(), "/lobby/stays", nil)
	if err != nil {
		t.Fatal(err)
	}
	var clients []*transporttest.Client
	refused := 0
	for i := 0; refused < 3; i++ {
		if i == 3000 {
			t.Fatal("nobody is refused")
		}
		c, err := dial()
		var status *transporttest.StatusError
		if errors.As(err, &status) && status.Status == http.StatusServiceUnavailable && strings.Contains(status.Body, "no room for another connection") {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		ns, err := c.Connect(t.Context(), fmt.Sprintf("/lobby/%d", i%40), nil) // one address may begin fifty at once
		if err != nil {
			t.Fatal(err)
		}
		if err := ns.Emit("fill", strings.Repeat("x", 50_000)); err != nil { // kept by the room
			t.Fatal(err)
		}
	}
	t.Logf("%d clients with 50 kB of state each were taken", len(clients))
	t.Log(p.line(t, "(msg=memory.* stage=(?:refuse|shed|close) was=normal.*)"))
	if err := room.Emit("fill", "still here"); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		c.Close()
	}
	p.line(t, "msg=memory.* stage=normal") // rooms that are empty leave memory
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := dial()
		if err == nil {
			c.Close()
			return
		}
		<-again.C
	}
}

package fleet

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// TestServersEndWithAProcessThatIsKilled in the midst of what it does.
func TestServersEndWithAProcessThatIsKilled(t *testing.T) {
	binary, err := Build(testenv.Root(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parentVar+"="+binary)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	wait, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var servers [2]struct {
		address string
		pid     int
	}
	if err == nil {
		_, err = fmt.Sscan(line, &servers[0].address, &servers[0].pid, &servers[1].address, &servers[1].pid)
	}
	_ = cmd.Process.Kill()
	_ = wait()
	if err != nil {
		t.Fatalf("the parent says %q: %v", line, err)
	}
	for _, s := range servers {
		answers := func() bool {
			c, err := net.Dial("tcp", s.address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		}
		for deadline := time.Now().Add(10 * time.Second); answers(); <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("process %d goes on", s.pid)
				_ = syscall.Kill(s.pid, syscall.SIGKILL)
				break
			}
		}
	}
}

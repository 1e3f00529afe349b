package e2e

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
	"github.com/parlor-rooms/parlor/transport/transporttest/testenv/child"
)

// programPatience is how long a program may take to say where it serves, and
// to end.
const programPatience = 30 * time.Second

var servedAt = regexp.MustCompile(`http://127\.0\.0\.1:\d+/`)

// startProgram builds the command of a folder of the repository, starts it as
// a process of its own and returns the first address it prints. When the test
// ends the process is told to stop, and must do so with status 0.
func startProgram(t *testing.T, folder string, args ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(folder))
	// go test sees which files a test reads, and so when a result is stale.
	if err := os.CopyFS(t.TempDir(), os.DirFS(filepath.Join(testenv.Root(t), folder))); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./"+folder)
	build.Dir = testenv.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build ./%s: %v\n%s", folder, err, out)
	}

	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PARLOR_") }) // they would configure it
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer // the same writer: one goroutine copies both
	wait, err := child.Start(cmd)
	if err != nil {
		kill()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { // the cleanup waits for it
		err := wait()
		writer.Close()
		ended <- err
	}()
	found := make(chan string, 1) // closed when the output ends
	var output bytes.Buffer       // read once found is closed
	go func() {                   // ends with the output, which the cleanup waits for
		defer close(found)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			output.Write(append(lines.Bytes(), '\n'))
			if at := servedAt.Find(lines.Bytes()); at != nil {
				select {
				case found <- string(at):
				default: // one was enough
				}
			}
		}
	}()
	t.Cleanup(func() {
		defer kill()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("%s has ended by itself: %v", folder, err)
		}
		late := time.AfterFunc(programPatience, kill)
		defer late.Stop()
		err := <-ended
		for range found { // until it is closed
		}
		if err != nil || t.Failed() {
			t.Logf("%s printed:\n%s", folder, output.Bytes())
		}
		if err != nil {
			t.Errorf("%s ended with %v, want status 0", folder, err)
		}
	})
	select {
	case at, ok := <-found:
		if !ok {
			t.Fatalf("%s ended without saying where it serves", folder)
		}
		return at
	case <-time.After(programPatience):
		t.Fatalf("%s does not say where it serves", folder)
		return ""
	}
}

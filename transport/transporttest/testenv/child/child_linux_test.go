package child

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// parentVar makes the test binary a process that starts a child and waits.
const parentVar = "PARLOR_TEST_PARENT"

// init keeps the main thread, the only one that does not end, from the tests.
func init() { runtime.LockOSThread() } //nolint:gochecknoinits // only here is the main thread the goroutine's

func TestMain(m *testing.M) {
	if os.Getenv(parentVar) != "" {
		os.Exit(parent())
	}
	goleak.VerifyTestMain(m)
}

// parent starts a child that has its standard input and output.
func parent() int {
	cmd := exec.Command("cat")
	cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	wait, err := Start(cmd)
	if err != nil {
		return 1
	}
	_ = wait()
	return 0
}

// TestAChildEndsWithAProcessThatIsKilled has a child that would go on for as
// long as its input does, and has the other end of a pipe.
func TestAChildEndsWithAProcessThatIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentVar+"=yes")
	input, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close() // ends the child, if nothing else did
	out, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdin, cmd.Stdout = input, output
	wait, err := Start(cmd)
	_, _ = input.Close(), output.Close()
	if err != nil {
		t.Fatal(err)
	}
	echo(t, in, bufio.NewReader(out))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := wait(); !errors.As(err, &exit) {
		t.Fatalf("the parent ended with %v", err)
	}
	_ = out.SetReadDeadline(time.Now().Add(10 * time.Second))
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 { // until nobody has the other end
		t.Errorf("read %q, %v", rest, err)
	}
}

// echo fails the test unless the child answers.
func echo(t *testing.T, in io.Writer, out *bufio.Reader) {
	t.Helper()
	if _, err := io.WriteString(in, "here\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := out.ReadString('\n'); err != nil || line != "here\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
}

// TestAChildOutlivesThreads ends every thread of this process that a goroutine
// can have.
func TestAChildOutlivesThreads(t *testing.T) {
	const children, threads = 3, 50
	type pipes struct {
		in   io.WriteCloser
		out  *bufio.Reader
		wait func() error
	}
	var all []pipes
	start := func() {
		cmd := exec.Command("cat")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		wait, err := Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pipes{in, bufio.NewReader(out), wait})
	}
	for range children {
		start()
	}
	var begun, ended sync.WaitGroup
	begun.Add(threads)
	for range threads {
		ended.Go(func() {
			runtime.LockOSThread() // and the thread ends with the goroutine
			begun.Done()
			begun.Wait()
		})
	}
	ended.Wait()
	for _, p := range all {
		echo(t, p.in, p.out)
		_ = p.in.Close()
		for range 2 {
			if err := p.wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
		}
	}
}

func TestAProgramThatDoesNotExistIsAnError(t *testing.T) {
	if _, err := Start(exec.Command("/nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

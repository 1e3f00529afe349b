package embedded_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/actors/store/embedded"
)

// roleVar makes the test binary play another process: "ROLE DIRECTORY SEED".
const roleVar = "PARLOR_EMBEDDED_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		if err := play(role); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func play(role string) error {
	var name, dir string
	var seed uint64
	if _, err := fmt.Sscan(role, &name, &dir, &seed); err != nil {
		return err
	}
	switch name {
	case "open":
		s, err := embedded.Open(embedded.Config{Directory: dir})
		if err == nil {
			err = s.Close()
		}
		return err
	case "write":
		return write(dir, seed)
	case "fail":
		return failFsync(dir)
	}
	return errors.New("no such role")
}

// writers is how many rooms a process of the kill test writes at once.
const writers = 6

func roomName(i int) string { return fmt.Sprintf("r%d", i) }

// write appends to all rooms until it is killed, and prints every sequence
// that was acknowledged.
func write(dir string, seed uint64) error {
	// A small memory table makes files be written and merged all the time.
	s, err := embedded.Open(embedded.Config{Directory: dir, MemTableBytes: 1 << 20})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			w, err := newWriter(context.Background(), s, roomName(i), rand.New(rand.NewPCG(seed, uint64(i))))
			for err == nil {
				if err = w.step(context.Background()); err == nil {
					_, err = fmt.Printf("%d %d\n", i, w.count)
				}
			}
			fmt.Println("error:", err)
		})
	}
	wg.Wait()
	return nil
}

func command(t testing.TB, role, dir string, seed uint64) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", roleVar, role, dir, seed))
	return cmd
}

// TestAKilledProcessKeepsWhatItAcknowledged kills a process with SIGKILL in
// the middle of appends to several rooms, again and again on the same
// directory, and looks after each time: every acknowledged batch is there,
// none was applied twice, nothing is half there.
func TestAKilledProcessKeepsWhatItAcknowledged(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d kills", seed, kills)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	batches := uint64(0)
	for k := range kills {
		acked := killOnce(t, dir, rnd.Uint64(), 1+rnd.IntN(400))
		s := open(t, dir)
		for i := range writers {
			ref := actors.RoomRef{Kind: "load", ID: roomName(i)}
			o, err := s.Claim(t.Context(), ref, actors.Claim{Owner: actors.Owner{Node: "n", Nonce: "v"}})
			if err != nil {
				t.Fatal(err)
			}
			n, err := verify(t.Context(), s, ref, o)
			if err != nil {
				t.Fatalf("kill %d: %v", k, err)
			}
			if n < acked[i] || n > acked[i]+1 && acked[i] > 0 {
				t.Fatalf("kill %d: room %d holds %d batches, %d were acknowledged", k, i, n, acked[i])
			}
			if k == kills-1 {
				batches += n
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d batches", kills, batches)
}

// killOnce runs a writing process until it has acknowledged so many batches,
// kills it, and returns the last one of each room.
func killOnce(t *testing.T, dir string, seed uint64, after int) (acked [writers]uint64) {
	t.Helper()
	cmd := command(t, "write", dir, seed)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 1; lines.Scan(); n++ { // also what was printed before the kill
		var i int
		var count uint64
		if _, err := fmt.Sscan(lines.Text(), &i, &count); err != nil {
			t.Fatalf("the process said %q", lines.Text())
		}
		acked[i] = count
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait() // it was killed
	return acked
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	out, err := command(t, "open", dir, 0).CombinedOutput()
	if err == nil || !strings.Contains(string(out), dir) || !strings.Contains(string(out), embedded.ErrInUse.Error()) {
		t.Errorf("a second process: %v, %s", err, out)
	}
	if _, err := embedded.Open(embedded.Config{Directory: dir}); !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("a second store in the process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t, "open", dir, 0).CombinedOutput(); err != nil {
		t.Errorf("once it is closed: %v, %s", err, out)
	}
}

// failFsync has the disk refuse every fsync from some moment on. It runs in a
// process of its own: a store that has stopped ends with its process.
func failFsync(dir string) error {
	ctx := context.Background()
	broken := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo {
			return errorfs.ErrInjected
		}
		return nil
	})}
	s, err := embedded.Open(embedded.OnFS(embedded.Config{Directory: dir}, errorfs.Wrap(vfs.Default, &broken)))
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	w, err := newWriter(ctx, s, "a", rnd)
	if err != nil {
		return err
	}
	other, err := newWriter(ctx, s, "b", rnd)
	if err != nil {
		return err
	}
	for range 5 {
		if err := w.step(ctx); err != nil {
			return err
		}
	}
	broken.On()
	err = w.step(ctx)
	for _, known := range []error{nil, actors.ErrFenced, actors.ErrUnavailable, actors.ErrMalformed} {
		if errors.Is(err, known) {
			return fmt.Errorf("append while fsync fails: %w, want that its outcome is unknown", err)
		}
	}
	<-s.Stopped()
	broken.Off() // trying again would succeed, and hide what happened
	for what, err := range map[string]error{"the same room": w.step(ctx), "another room": other.step(ctx)} {
		if !errors.Is(err, actors.ErrUnavailable) {
			return fmt.Errorf("append to %s afterwards: %w", what, err)
		}
	}
	if err := s.Close(); err == nil {
		return errors.New("close says that all is well")
	}
	fmt.Println("stopped")
	return nil
}

func TestAFailedFsyncStopsTheStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	out, err := command(t, "fail", dir, 0).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "stopped\n") { // its log is in there too
		t.Fatalf("%v: %s", err, out)
	}
	s := open(t, dir)
	defer s.Close()
	w, err := newWriter(t.Context(), s, "a", rand.New(rand.NewPCG(2, 2)))
	if err != nil || w.count < 5 {
		t.Fatalf("the next process finds %+v, %v", w, err)
	}
}

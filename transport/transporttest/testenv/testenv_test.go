package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProgramsAnswer(t *testing.T) {
	for _, tt := range []struct{ name, path, flag, want string }{
		{"browser", Chromium(t), "--version", "Chrom"},
		{"redis", RedisServer(t), "--version", "Redis server"},
		{"python", Python(t), "--version", "Python 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !filepath.IsAbs(tt.path) {
				t.Errorf("%s is not absolute", tt.path)
			}
			out, err := exec.Command(tt.path, tt.flag).Output()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%s %s = %q, %v, want %q", tt.path, tt.flag, out, err, tt.want)
			}
		})
	}
}

func TestMissingProgramNamesTheRemedy(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := find("redis-server", "valkey-server")
	if err == nil || err.Error() != "redis-server or valkey-server is not installed: run make deps" {
		t.Errorf("find = %v", err)
	}
}

func TestRootPassesByOtherModules(t *testing.T) {
	const own, other = "module " + modulePath + "\n\ngo 1.26\n", "module " + modulePath + "-stranger\n"
	top := t.TempDir()
	deep := filepath.Join(top, "transport", "testdata", "stranger", "sub")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(dir, mod string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Dir(deep), other)
	if got, err := rootAbove(deep); err == nil {
		t.Errorf("rootAbove without Parlor's go.mod = %s, want an error", got)
	}
	write(top, own)
	if got, err := rootAbove(deep); err != nil || got != top {
		t.Errorf("rootAbove = %s, %v, want %s", got, err, top)
	}
}

func TestRootHoldsThisPackage(t *testing.T) {
	if _, err := os.Stat(filepath.Join(Root(t), "transport", "transporttest", "testenv", "testenv.go")); err != nil {
		t.Error(err)
	}
}

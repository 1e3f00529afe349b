package actors_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestVetFindsCopiesOfFieldsAndTurns(t *testing.T) {
	source, err := os.ReadFile("testdata/copies/copies.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, line := range strings.Split(string(source), "\n") {
		if strings.HasSuffix(line, "// copied") {
			want = append(want, fmt.Sprint("line ", i+1))
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "vet", "-copylocks", "./testdata/copies").CombinedOutput()
	if err == nil {
		t.Fatal("vet found nothing")
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)copies\.go:(\d+):\d+: .*(?:lock|noCopy)`).FindAllStringSubmatch(string(out), -1) {
		if !slices.Contains(got, "line "+m[1]) {
			got = append(got, "line "+m[1])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("vet found %v\nwant      %v\n%s", got, want, out)
	}
}

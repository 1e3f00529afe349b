package corpus

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// script is one case.
type script struct {
	file, name string
	steps      []step
}

// step is one line of a case.
type step struct {
	line int
	verb string
	args []string
}

func (s step) arg(i int) string {
	if i < len(s.args) {
		return s.args[i]
	}
	return ""
}

// number is the argument i, which is one.
func (s step) number(i, base int) int {
	n, err := strconv.ParseInt(s.arg(i), base, 64)
	if err != nil {
		panic(fmt.Sprintf("line %d: %s: %v", s.line, s.verb, err))
	}
	return int(n)
}

// slow reports whether a case waits for a timeout of the server.
func (s script) slow() bool {
	return slices.ContainsFunc(s.steps, func(st step) bool {
		return st.verb == "eof" && len(st.args) == 2 || st.verb == "close" && st.arg(0) == "1008" || strings.Contains(strings.Join(st.args, ""), "{brief}")
	})
}

// expects reports whether a case says what has to come of it.
func (s script) expects() bool {
	return slices.ContainsFunc(s.steps, func(st step) bool {
		return slices.Contains([]string{"status", "header", "want", "until", "close", "eof", "enter"}, st.verb)
	})
}

// scripts reads every file of the corpus.
func scripts(t *testing.T) []script {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	var all []script
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := parse(filepath.Base(file), string(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

func parse(file, text string) ([]script, error) {
	var all []script
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		name, begins := strings.CutPrefix(line, "== ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case begins:
			all = append(all, script{file: file, name: name})
		case len(all) == 0:
			return nil, fmt.Errorf("%s:%d: a step before the first case", file, i+1)
		default:
			words, err := split(line)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
			}
			last := &all[len(all)-1]
			last.steps = append(last.steps, step{i + 1, words[0], words[1:]})
		}
	}
	return all, nil
}

// split takes a line apart at spaces that stand in no text.
func split(line string) ([]string, error) {
	var words []string
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		if line[0] != '"' && line[0] != '`' {
			word, rest, _ := strings.Cut(line, " ")
			words, line = append(words, word), rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", quoted, err)
		}
		words, line = append(words, word), line[len(quoted):]
	}
	return words, nil
}

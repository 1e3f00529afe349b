package app

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
)

// showLevels answers with the levels of the log, as {"": "INFO", "node":
// "DEBUG"}: the empty part is all those without one of their own.
func (s *server) showLevels(w http.ResponseWriter, _ *http.Request) {
	levels := make(map[string]string)
	for part, level := range s.logs.Levels() {
		levels[part] = level.String()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(levels) // nobody is left to tell
}

// setLevels changes the level of one part, ?part=node&level=debug, or of all
// that have none of their own, ?level=debug. An empty level lets a part follow
// the others again. Lines of the log name their part as component.
func (s *server) setLevels(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	for name := range query {
		if name != "part" && name != "level" { // a part that is misspelt is not all of them
			say(w, http.StatusBadRequest, fmt.Sprintf("%q: want part and level", name))
			return
		}
	}
	part, level := query.Get("part"), query.Get("level")
	if part != "" && !slices.Contains(s.logs.Parts(), part) {
		say(w, http.StatusBadRequest, fmt.Sprintf("part: want one of %q", s.logs.Parts()))
		return
	}
	var at slog.Level
	switch err := at.UnmarshalText([]byte(level)); {
	case level == "" && part != "":
		s.logs.ResetLevel(part)
	case err != nil:
		say(w, http.StatusBadRequest, "level: want debug, info, warn or error")
		return
	default:
		s.logs.SetLevel(part, at)
	}
	s.showLevels(w, r)
}

package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestLogLevelsChangeAtRunTime(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	levels := "http://" + r.Admin.String() + "/logs/levels"
	post := func(query string) (int, string) {
		res, err := http.Post(levels+query, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	if status, body := get(t, levels); status != 200 || !strings.Contains(body, `"":"`) || !strings.Contains(body, `"node":"`) {
		t.Errorf("levels are answered %d %s", status, body)
	}
	for _, c := range []struct {
		query  string
		status int
		says   string
	}{
		{"?part=node&level=debug", 200, `"node":"DEBUG"`},
		{"?level=error", 200, `"transport":"ERROR"`},
		{"?part=node&level=", 200, `"node":"ERROR"`},
		{"?part=nosuch&level=debug", 400, "transport"},
		{"?part=node&level=loud", 400, "debug, info"},
		{"", 400, "debug, info"},
		{"?component=node&level=debug", 400, "part"},
	} {
		if status, body := post(c.query); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("POST %s is answered %d %s", c.query, status, body)
		}
	}
	if _, body := get(t, levels); strings.Contains(body, "DEBUG") {
		t.Errorf("what was refused has changed levels: %s", body)
	}
}

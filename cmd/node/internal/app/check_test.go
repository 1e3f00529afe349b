package app

import (
	"encoding/json"
	"testing"

	"github.com/parlor-rooms/parlor/actors/node"
	"github.com/parlor-rooms/parlor/transport/transporttest"
)

func TestAServersTablesAgree(t *testing.T) {
	r := start(t, "--admin-listen=127.0.0.1:0")
	for range 3 {
		enter(t, dial(t, r, transporttest.Options{}), "/playground/x", nil)
	}
	status, body := get(t, "http://"+r.Admin.String()+"/check")
	var report node.Report
	if err := json.Unmarshal([]byte(body), &report); status != 200 || err != nil {
		t.Fatalf("answered %d %s, %v", status, body, err)
	}
	if report.Total != 0 || len(report.Disagreements) != 0 || report.Connections != 3 || report.Rooms != 1 || report.Members != 3 {
		t.Errorf("the report is %s", body)
	}
	if report.Disagreements == nil {
		t.Errorf("no disagreements are null: %s", body)
	}
}

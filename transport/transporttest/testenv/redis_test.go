package testenv

import "testing"

func TestRedisStartsAgainWithItsFiles(t *testing.T) {
	r := StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	if got := r.Do("SET", "a", "1"); got != "+OK" {
		t.Fatalf("SET answers %q", got)
	}
	r.Kill()
	if _, err := r.do("PING"); err == nil {
		t.Fatal("it answers after Kill")
	}
	r.Start()
	if got := r.Do("EXISTS", "a"); got != ":1" {
		t.Errorf("what was written is gone: EXISTS answers %q", got)
	}
	r.Stop()
}

package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const secret = "0123456789abcdefghijklmnopqrstuvwxyz"

var withSecret = []string{"PARLOR_AUTH_ISSUER=dev", "PARLOR_AUTH_AUDIENCE=parlor", "PARLOR_AUTH_KEY=" + secret}

func TestTokensAreMadeAndExplained(t *testing.T) {
	for _, method := range []string{"HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"} {
		key := filepath.Join(t.TempDir(), "dev.key")
		out, err := run(t, nil, "token", "key", "--method", method, "--out", key)
		if err != nil || !strings.Contains(out, "method: "+method) {
			t.Fatalf("%s: %v\n%s", method, err, out)
		}
		checks := key
		if !strings.HasPrefix(method, "HS") {
			checks += ".pub"
		}
		path := file(t, "auth: {issuer: dev, audience: parlor, method: "+method+", key_file: "+checks+"}\n")
		token := tokenOf(t, "--config", path, "--key-file", key, "--subject=ada", "--id=t-1", "--grant=board/*=join, publish:add", `--claim=name="Ada"`)
		out, err = run(t, nil, "token", "explain", "--config", path, token)
		if err != nil {
			t.Fatalf("%s: %v\n%s", method, err, out)
		}
		for _, want := range []string{
			`"alg": "` + method + `"`, `"jti": "t-1"`, `"name": "Ada"`, "\nissued ", " ago\n", "\nexpires ", ", in ",
			`accepted as "ada" until `, "in board/* it may join, publish:add\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %s in\n%s", method, want, out)
			}
		}
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the key's file is %v, %v", method, info.Mode(), err)
		}
		if _, err := run(t, nil, "token", "key", "--method", method, "--out", key); err == nil || !strings.Contains(err.Error(), "exists") {
			t.Errorf("%s: the key is written over: %v", method, err)
		}
	}
}

func TestTheSecretOfTheConfigurationSigns(t *testing.T) {
	out, err := run(t, withSecret, "token", "make", "--subject=ada")
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(out)
	if out, err = run(t, withSecret, "token", "explain", token); err != nil || !strings.Contains(out, `accepted as "ada"`) || !strings.Contains(out, "everything that rooms allow") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = run(t, nil, "token", "explain", token); err != nil || !strings.Contains(out, "not checked: the configuration has no keys") {
		t.Errorf("%v\n%s", err, out)
	}
	_, err = run(t, []string{withSecret[0], "PARLOR_AUTH_AUDIENCE=billing", withSecret[2]}, "token", "explain", token)
	if err == nil || !strings.Contains(err.Error(), "refused with unauthorized: ") || !strings.Contains(err.Error(), "audience") {
		t.Errorf("for another audience: %v", err)
	}
	if out, err = run(t, withSecret, "token", "make", "--subject=ada", "--expires-in=-1m"); err != nil {
		t.Fatal(err)
	}
	if out, err = run(t, withSecret, "token", "explain", strings.TrimSpace(out)); err == nil || !strings.Contains(err.Error(), "refused with token_expired") || !strings.Contains(out, "\nexpires ") || strings.Contains(out, ", in ") {
		t.Errorf("an old one: %v\n%s", err, out)
	}
}

func TestATokenIsReadFromTheStandardInput(t *testing.T) {
	out, err := run(t, withSecret, "token", "make", "--subject=ada")
	if err != nil {
		t.Fatal(err)
	}
	var explained bytes.Buffer
	m := &Main{Args: []string{"token", "explain", "-"}, Env: withSecret, Stdin: strings.NewReader(out), Stdout: &explained, Stderr: &explained}
	if err := m.Run(t.Context()); err != nil || !strings.Contains(explained.String(), "accepted as") {
		t.Errorf("%v\n%s", err, explained.String())
	}
}

func TestWhatATokenCannotBeMadeOfIsSaid(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "dev.key")
	if _, err := run(t, nil, "token", "key", "--method=ES256", "--out", private); err != nil {
		t.Fatal(err)
	}
	public := []string{"PARLOR_AUTH_ISSUER=dev", "PARLOR_AUTH_AUDIENCE=parlor", "PARLOR_AUTH_METHOD=ES256", "PARLOR_AUTH_KEY_FILE=" + private + ".pub"}
	for _, c := range []struct {
		env  []string
		args string
		want string
	}{
		{nil, "token key --method RS512", `--method: "RS512": want HS256, HS384`},
		{nil, "token key --out " + dir, "exists"},
		{withSecret, "token make", "--subject: no token is accepted without"},
		{nil, "token make --subject=ada --audience=a", "--issuer: no token"},
		{nil, "token make --subject=ada --issuer=i --audience=a", "there is no key to sign with"},
		{withSecret, "token make --subject=ada --grant=board", `--grant: "board": want PATTERN=OPERATION`},
		{withSecret, "token make --subject=ada --grant=board/*=fly", `--grant: grant 0: operation "fly": want create`},
		{withSecret, "token make --subject=ada --claim=name=Ada", `--claim: "name=Ada": want NAME=JSON`},
		{withSecret, "token make --subject=ada --method=HS512", "auth.key only checks tokens"},
		{public, "token make --subject=ada", "auth.key_file only checks tokens, give --key-file"},
		{withSecret, "token make --subject=ada --key-file=" + dir + "/none", "--key-file: open"},
		{withSecret, "token make --subject=ada --key-file=" + private, "--key-file: key"},
		{nil, "token explain nonsense", "the token has 1 parts: want three"},
		{nil, "token explain a.b.c", "the header of the token: want JSON in base64url"},
		{nil, "token explain", "accepts 1 arg(s)"},
		{nil, "token mint", `unknown command "mint" for "parlor token"`},
		{[]string{"PARLOR_AUTH_ISSUER=dev"}, "token explain a.b.c", "the configuration is not valid"},
	} {
		if out, err := run(t, c.env, strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("parlor %s: %v, want %s\n%s", c.args, err, c.want, out)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("parlor %s: the secret is in %v", c.args, err)
		}
	}
}

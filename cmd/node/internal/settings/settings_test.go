package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

type sample struct {
	Name  string           `key:"name" default:"parlor" doc:"A name."`
	Admin sampleAdmin      `key:"admin" doc:"A section."`
	Kinds map[string]shape `key:"kinds" doc:"A table."`
}

type sampleAdmin struct {
	Listen     port          `key:"listen" default:"80" doc:"A type of its own."`
	Token      Secret        `key:"token" doc:"A secret."`
	StopWithin time.Duration `key:"stop_within" default:"5s" min:"1s" max:"1m" doc:"A duration."`
	Level      string        `key:"level" default:"info" oneof:"debug,info" doc:"A choice."`
	Open       bool          `key:"open" default:"true" doc:"A switch."`
	Origins    []string      `key:"origins" doc:"A list."`
	Ways       []string      `key:"ways" default:"a,b" oneof:"a,b" doc:"A list of choices."`
}

type shape struct {
	Seats int             `key:"seats" default:"10" min:"1" max:"100" doc:"A number."`
	Kept  bool            `key:"kept" doc:"A switch."`
	Sizes map[string]side `key:"sizes" doc:"A table in a table."`
}

type side struct {
	Width int `key:"width" doc:"A number without bounds."`
}

func (s shape) Check(bad func(string, ...string)) {
	if s.Kept && s.Seats == 13 {
		bad("want another number where kept is true", "seats")
	}
	if _, ok := s.Sizes["no"]; ok {
		bad("want another name", "sizes", "no")
	}
	if s.Sizes["a.b"].Width == 7 {
		bad("want another width", "sizes", "a.b", "width")
	}
}

type port string

func (p *port) UnmarshalText(b []byte) error {
	if len(b) != 2 {
		return fmt.Errorf("not two digits")
	}
	*p = port(b)
	return nil
}

func (*port) Want() string { return "two digits" }

func newSample(t *testing.T) *Schema[sample] {
	t.Helper()
	s, err := New[sample]("PARLOR")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// load runs Load with a file of that text, if it is not empty.
func load(t *testing.T, file string, env, args []string) (*Loaded[sample], error) {
	t.Helper()
	s := newSample(t)
	src := Sources{Env: env, Flags: pflag.NewFlagSet("test", pflag.ContinueOnError)}
	s.Flags(src.Flags)
	if err := src.Flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	if file != "" {
		src.File = write(t, file)
	}
	return s.Load(src)
}

// write makes a file c.yaml and goes to its directory, so that errors name it
// without one.
func write(t *testing.T, text string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return "c.yaml"
}

func TestHigherLayersWin(t *testing.T) {
	file := "name: file\nadmin: {level: debug}\n"
	for _, test := range []struct {
		name      string
		file      string
		env, args []string
		want      string
		origin    string
	}{
		{name: "default", want: "parlor", origin: "default"},
		{name: "file over default", file: file, want: "file", origin: "c.yaml:1:7"},
		{name: "environment over file", file: file, env: []string{"PARLOR_NAME=env"}, want: "env", origin: "PARLOR_NAME"},
		{name: "flag over environment", file: file, env: []string{"PARLOR_NAME=env"}, args: []string{"--name=flag"}, want: "flag", origin: "--name"},
		{name: "flag over file", file: file, args: []string{"--name", "flag"}, want: "flag", origin: "--name"},
		{name: "last variable counts", env: []string{"PARLOR_NAME=a", "PARLOR_NAME=b"}, want: "b", origin: "PARLOR_NAME"},
		{name: "empty variable is none", file: file, env: []string{"PARLOR_NAME="}, want: "file", origin: "c.yaml:1:7"},
		{name: "key without a value is none", file: "name:\nadmin:\n", want: "parlor", origin: "default"},
		{name: "empty file is none", file: "# nothing\n", want: "parlor", origin: "default"},
		{name: "flag may be empty", file: file, args: []string{"--name="}, want: "", origin: "--name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := load(t, test.file, test.env, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if l.Value.Name != test.want || l.Origin("name").String() != test.origin {
				t.Errorf("name is %q from %v, want %q from %s", l.Value.Name, l.Origin("name"), test.want, test.origin)
			}
			if want := map[bool]string{true: "debug", false: "info"}[test.file == file]; l.Value.Admin.Level != want {
				t.Errorf("admin.level is %q, want %q", l.Value.Admin.Level, want)
			}
		})
	}
}

func TestFileMayBeNamedByAVariable(t *testing.T) {
	path := write(t, "name: other\n")
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := load(t, "", []string{"PARLOR_CONFIG=" + abs}, nil)
	if err != nil || l.Value.Name != "other" {
		t.Fatalf("%+v, %v", l, err)
	}
	l, err = load(t, "name: flag\n", []string{"PARLOR_CONFIG=" + abs}, nil)
	if err != nil || l.Value.Name != "flag" {
		t.Fatalf("the file that was asked for does not win: %+v, %v", l, err)
	}
}

func TestEveryTypeInEveryLayer(t *testing.T) {
	want := sample{
		Name: "x",
		Admin: sampleAdmin{Listen: "81", Token: "t0k3n", StopWithin: 1500 * time.Millisecond, Level: "debug",
			Open: false, Origins: []string{"https://a", "https://b"}, Ways: []string{"b"}},
		Kinds: map[string]shape{"k": {Seats: 3, Sizes: map[string]side{"big": {Width: -4}}}, "l": {Seats: 10}},
	}
	file := `
name: x
admin:
  listen: 81
  token: t0k3n
  stop_within: 1.5s
  level: debug
  open: false
  origins: [https://a, "https://b"]
  ways: b
kinds:
  k: {seats: 3, sizes: {big: {width: -4}}}
  l:
`
	kinds := `{"k":{"seats":3,"sizes":{"big":{"width":-4}}},"l":{}}`
	for _, test := range []struct {
		name      string
		file      string
		env, args []string
	}{
		{name: "file", file: file},
		{name: "environment", env: []string{
			"PARLOR_NAME=x", "PARLOR_ADMIN_LISTEN=81", "PARLOR_ADMIN_TOKEN=t0k3n", "PARLOR_ADMIN_STOP_WITHIN=1.5s",
			"PARLOR_ADMIN_LEVEL=debug", "PARLOR_ADMIN_OPEN=false", "PARLOR_ADMIN_ORIGINS=https://a, https://b", "PARLOR_ADMIN_WAYS=b",
			"PARLOR_KINDS=" + kinds,
		}},
		{name: "flags", env: []string{"PARLOR_ADMIN_TOKEN=t0k3n"}, args: []string{
			"--name=x", "--admin-listen=81", "--admin-stop-within=1.5s", "--admin-level=debug", "--admin-open=false",
			"--admin-origins=https://a,https://b", "--admin-ways=b", "--kinds=" + kinds,
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := load(t, test.file, test.env, test.args)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := reveal(l.Value), reveal(want); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func reveal(s sample) string {
	return fmt.Sprintf("%q %+v %+v", s.Admin.Token.Reveal(), s.Admin, s.Kinds)
}

func TestAMapReplacesTheMapBelow(t *testing.T) {
	l, err := load(t, "kinds: {a: {seats: 5}, b: }\n", []string{"PARLOR_KINDS={c: {kept: true}}"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(l.Value.Kinds); got != "map[c:{10 true map[]}]" {
		t.Errorf("kinds are %s", got)
	}
	if o := l.Origin("kinds.a.seats"); o.Layer != Default {
		t.Errorf("a value that was replaced is still from %v", o)
	}
	if o := l.Origin("kinds.c.kept").String(); o != "PARLOR_KINDS:1:12" {
		t.Errorf("kinds.c.kept is from %s", o)
	}
}

func TestAliasesWork(t *testing.T) {
	l, err := load(t, "name: &n x\nadmin: {origins: [*n, y]}\nkinds:\n  a: &a {seats: 5}\n  b: *a\n", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.Value.Kinds["b"].Seats != 5 || l.Value.Admin.Origins[0] != "x" {
		t.Errorf("it was read as %+v", l.Value)
	}
}

func TestMistakesNameKeyPlaceValueAndWhatIsAllowed(t *testing.T) {
	for _, test := range []struct {
		name      string
		file      string
		env, args []string
		want      string
	}{
		{name: "unknown key", file: "names: x\n", want: `c.yaml:1:1: names: unknown key, did you mean name?`},
		{name: "unknown key, nothing near", file: "\nfoobar: x\n", want: `c.yaml:2:1: foobar: unknown key, want name, admin or kinds`},
		{name: "unknown key in a table", file: "kinds:\n  k:\n    seat: 1\n", want: `c.yaml:3:5: kinds.k.seat: unknown key, did you mean seats?`},
		{name: "key twice", file: "name: a\nname: b\n", want: `c.yaml:2:1: name: given twice, first at c.yaml:1:1`},
		{name: "merge key", file: "kinds:\n  a: &a {seats: 5}\n  b: {<<: *a}\n", want: `c.yaml:3:7: kinds.b."<<": unknown key, want seats, kept or sizes`},
		{name: "key that is no text", file: "kinds:\n  [a]: {}\n", want: `c.yaml:2:3: kinds: a key is a text`},
		{name: "no number", file: "kinds: {k: {seats: many}}\n", want: `c.yaml:1:20: kinds.k.seats: "many": want a whole number, 1 to 100`},
		{name: "number too small", file: "kinds: {k: {seats: 0}}\n", want: `c.yaml:1:20: kinds.k.seats: "0": want a whole number, 1 to 100`},
		{name: "number too large", file: "kinds: {k: {seats: 101}}\n", want: `c.yaml:1:20: kinds.k.seats: "101": want a whole number, 1 to 100`},
		{name: "number out of range of its type", file: "kinds: {k: {sizes: {a.b: {width: 1e3}}}}\n", want: `c.yaml:1:34: kinds.k.sizes."a.b".width: "1e3": want a whole number`},
		{name: "no duration", file: "admin:\n  stop_within: 5\n", want: `c.yaml:2:16: admin.stop_within: "5": want a duration such as 33ms or 1m30s, 1s to 1m`},
		{name: "duration too short", env: []string{"PARLOR_ADMIN_STOP_WITHIN=999ms"}, want: `PARLOR_ADMIN_STOP_WITHIN: admin.stop_within: "999ms": want a duration such as 33ms or 1m30s, 1s to 1m`},
		{name: "duration too long", args: []string{"--admin-stop-within=61s"}, want: `--admin-stop-within: admin.stop_within: "61s": want a duration such as 33ms or 1m30s, 1s to 1m`},
		{name: "no choice", file: "admin: {level: loud}\n", want: `c.yaml:1:16: admin.level: "loud": want debug or info`},
		{name: "no choice in a list", file: "admin: {ways: [a, c]}\n", want: `c.yaml:1:15: admin.ways: want a list of a, b, not "c"`},
		{name: "no switch", file: "admin: {open: yes}\n", want: `c.yaml:1:15: admin.open: "yes": want true or false`},
		{name: "type of its own", env: []string{"PARLOR_ADMIN_LISTEN=8080"}, want: `PARLOR_ADMIN_LISTEN: admin.listen: "8080": want two digits`},
		{name: "list for a text", file: "name: [a]\n", want: `c.yaml:1:7: name: want a text`},
		{name: "section for a text", file: "name: {a: b}\n", want: `c.yaml:1:7: name: want a text`},
		{name: "text for a section", file: "admin: 80\n", want: `c.yaml:1:8: admin: "80": want a section with keys listen, token, stop_within, level, open, origins or ways`},
		{name: "text for a table", file: "kinds: lobby\n", want: `c.yaml:1:8: kinds: "lobby": want a section`},
		{name: "list in a list", file: "admin: {origins: [a, [b]]}\n", want: `c.yaml:1:22: admin.origins: want a list of texts`},
		{name: "redacted secret", file: "admin: {token: '[redacted]'}\n", want: `c.yaml:1:16: admin.token: "[redacted]": want the secret itself, not its redacted form`},
		{name: "list for a secret", file: "admin: {token: [hunter2]}\n", want: `c.yaml:1:16: admin.token: want the secret itself, not its redacted form`},
		{name: "syntax", file: "name: a\nadmin: [\n", want: `c.yaml:2: did not find expected node content`},
		{name: "syntax in a variable", env: []string{"PARLOR_KINDS={"}, want: `PARLOR_KINDS:1: kinds: did not find expected node content`},
		{name: "two documents", file: "name: a\n---\nname: b\n", want: `c.yaml:2:1: a second document: want one`},
		{name: "no such file", env: []string{"PARLOR_CONFIG=missing.yaml"}, want: `missing.yaml: cannot be read: no such file or directory`},
		{name: "unknown variable", env: []string{"PARLOR_NAMES=x"}, want: `PARLOR_NAMES: unknown variable, did you mean PARLOR_NAME?`},
		{name: "rule between keys", file: "kinds:\n  k:\n    kept: true\n    seats: 13\n", want: `c.yaml:4:12: kinds.k.seats: "13": want another number where kept is true`},
		{name: "rule about a key of a table", file: "kinds:\n  k:\n    sizes: {no: {}}\n", want: `c.yaml:3:13: kinds.k.sizes.no: want another name`},
		{name: "rule below a table", file: "kinds: {k: {sizes: {a.b: {width: 7}}}}\n", want: `c.yaml:1:34: kinds.k.sizes."a.b".width: "7": want another width`},
		{
			name: "all at once", file: "name: []\nkinds: {k: {seats: x}}\n", env: []string{"PARLOR_ADMIN_OPEN=1"}, args: []string{"--admin-level=x"},
			want: "c.yaml:1:7: name: want a text\nc.yaml:2:20: kinds.k.seats: \"x\": want a whole number, 1 to 100\n" +
				"PARLOR_ADMIN_OPEN: admin.open: \"1\": want true or false\n--admin-level: admin.level: \"x\": want debug or info",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := load(t, test.file, test.env, test.args)
			if err == nil {
				t.Fatalf("accepted: %+v", l.Value)
			}
			if err.Error() != test.want {
				t.Errorf("\n got %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestVariablesThatKubernetesInjectsAreNotOurs(t *testing.T) {
	_, err := load(t, "", []string{
		"PARLOR_SERVICE_HOST=10.0.0.1", "PARLOR_SERVICE_PORT=80", "PARLOR_SERVICE_PORT_HTTP=80", "PARLOR_PORT=tcp://10.0.0.1:80",
		"PARLOR_PORT_80_TCP=tcp://10.0.0.1:80", "PARLOR_PORT_80_TCP_PROTO=tcp", "PARLOR_PORT_80_TCP_PORT=80", "PARLOR_PORT_80_TCP_ADDR=10.0.0.1",
		"PARLORS_NAME=x",
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	l, err := load(t, "admin: {token: hunter2}\n", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.Value.Admin.Token.Reveal() != "hunter2" {
		t.Fatal("the secret is not there")
	}
	var b bytes.Buffer
	if err := l.Print(&b); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %q %x %d", l.Value, l.Value, l.Value, l.Value.Admin.Token, l.Value.Admin.Token, l.Value.Admin.Token, l.Value.Admin.Token)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "token", l.Value.Admin.Token, "all", l.Value)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "token", l.Value.Admin.Token, "all", l.Value)
	if err := json.NewEncoder(&b).Encode(l.Value); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, "hunter2") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("the secret shows:\n%s", s)
	} else if !strings.Contains(s, `token: '[redacted]'`) {
		t.Errorf("it does not show that there is a secret:\n%s", s)
	}
}

func TestSecretsHaveNoFlag(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	newSample(t).Flags(fs)
	if fs.Lookup("admin-token") != nil {
		t.Error("there is a flag for a secret")
	}
	if fs.Lookup("admin-level") == nil {
		t.Error("there is no flag for a setting beside it")
	}
}

func TestPrintShowsValuesAndWhereTheyCameFrom(t *testing.T) {
	l, err := load(t, "kinds:\n  a.b:\n    seats: 3\n    sizes: {big: {width: 1}}\n  c:\nadmin:\n  origins: ['*', x]\n",
		[]string{"PARLOR_ADMIN_STOP_WITHIN=60s"}, []string{"--name=yes # no"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := l.Print(&b); err != nil {
		t.Fatal(err)
	}
	want := `name: 'yes # no'     # --name
admin:
  listen: "80"       # default
  token: ""          # default
  stop_within: 1m    # PARLOR_ADMIN_STOP_WITHIN
  level: info        # default
  open: true         # default
  origins: ['*', x]  # c.yaml:7:12
  ways: [a, b]       # default
kinds:
  a.b:
    seats: 3         # c.yaml:3:12
    kept: false      # default
    sizes:
      big:
        width: 1     # c.yaml:4:26
  c:
    seats: 10        # default
    kept: false      # default
    sizes: {}        # default
`
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", b.String(), want)
	}

	again, err := load(t, b.String(), nil, nil)
	if err != nil {
		t.Fatalf("what was printed cannot be read: %v", err)
	}
	if got, want := fmt.Sprint(again.Value), fmt.Sprint(l.Value); got != want {
		t.Errorf("what was printed reads as\n%s\nwant\n%s", got, want)
	}
}

func TestPrintedTextsReadBack(t *testing.T) {
	for _, s := range []string{"", " ", "a: b", "#", "- x", "null", "true", "1", "a\nb", "\t", `"`, "'", "[", "{}", "é\u2028", strings.Repeat("long ", 40)} {
		l, err := load(t, "", nil, []string{"--name=" + s, "--kinds={}"})
		if err != nil {
			t.Fatal(err)
		}
		l.Value.Admin.Origins = []string{s, "x"}
		var b bytes.Buffer
		if err := l.Print(&b); err != nil {
			t.Fatal(err)
		}
		again, err := load(t, b.String(), nil, nil)
		if err != nil {
			t.Errorf("%q: %v in\n%s", s, err, b.String())
		} else if again.Value.Name != s || again.Value.Admin.Origins[0] != s {
			t.Errorf("%q reads back as %q and %q", s, again.Value.Name, again.Value.Admin.Origins)
		}
	}
}

func TestJSONSchemaDescribesTheFile(t *testing.T) {
	b, err := newSample(t).JSONSchema("sample")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"title":                `"sample"`,
		"additionalProperties": "false",
		"properties.name":      `{"default":"parlor","description":"A name.","type":"string"}`,
		"properties.kinds.additionalProperties.properties.seats": `{"default":10,"description":"A number.","maximum":100,"minimum":1,"type":"integer"}`,
		"properties.admin.properties.open":                       `{"default":true,"description":"A switch.","type":"boolean"}`,
		"properties.admin.properties.ways":                       `{"description":"A list of choices.","items":{"enum":["a","b"],"type":"string"},"type":"array"}`,
		"properties.admin.properties.level.enum":                 `["debug","info"]`,
		"properties.admin.properties.stop_within.default":        `"5s"`,
		"properties.admin.properties.token":                      `{"description":"A secret.","type":"string"}`,
	} {
		var at any = got
		for key := range strings.SplitSeq(path, ".") {
			m, ok := at.(map[string]any)
			if !ok {
				t.Fatalf("%s: nothing at %s", path, key)
			}
			at = m[key]
		}
		if b, err := json.Marshal(at); err != nil || string(b) != want {
			t.Errorf("%s is %s, want %s (%v)", path, b, want, err)
		}
	}
}

func TestMistakesInTagsAreErrors(t *testing.T) {
	for name, build := range map[string]func() error{
		"no doc": newErr[struct {
			A int `key:"a"`
		}],
		"key twice": newErr[struct {
			A int `key:"a" doc:"x"`
			B int `key:"a" doc:"x"`
		}],
		"bad default": newErr[struct {
			A int `key:"a" doc:"x" default:"11" max:"10"`
		}],
		"bad bound": newErr[struct {
			A int `key:"a" doc:"x" max:"ten"`
		}],
		"bound of a text": newErr[struct {
			A string `key:"a" doc:"x" max:"10"`
		}],
		"type that cannot be written": newErr[struct {
			A float64 `key:"a" doc:"x"`
		}],
		"no struct": newErr[int],
	} {
		if build() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func newErr[T any]() error { _, err := New[T]("X"); return err }

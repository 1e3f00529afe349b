package clientbundle

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// wants is what the JavaScript server answers for each file.
var wants = map[string]string{
	"socket.io.js":                 "application/javascript; charset=utf-8",
	"socket.io.js.map":             "application/json; charset=utf-8",
	"socket.io.min.js":             "application/javascript; charset=utf-8",
	"socket.io.min.js.map":         "application/json; charset=utf-8",
	"socket.io.esm.min.js":         "application/javascript; charset=utf-8",
	"socket.io.esm.min.js.map":     "application/json; charset=utf-8",
	"socket.io.msgpack.min.js":     "application/javascript; charset=utf-8",
	"socket.io.msgpack.min.js.map": "application/json; charset=utf-8",
}

func TestFilesAreThoseOfTheNpmPackage(t *testing.T) {
	dist := filepath.Join(testenv.NodeModules(t), "socket.io-client", "dist")
	published, err := os.ReadDir(dist)
	if err != nil {
		t.Fatal(err)
	}
	if len(published) != len(wants) {
		t.Errorf("the package has %d files, want %d: run .ci/bundle and compare", len(published), len(wants))
	}
	for _, entry := range published {
		t.Run(entry.Name(), func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join(dist, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			body, contentType, etag, ok := Lookup(entry.Name())
			if !ok || !bytes.Equal(body, want) {
				t.Errorf("Lookup has %d bytes that differ from the package's %d: run .ci/bundle", len(body), len(want))
			}
			if contentType != wants[entry.Name()] {
				t.Errorf("content type %q, want %q", contentType, wants[entry.Name()])
			}
			if etag != `"`+version+`"` {
				t.Errorf("entity tag %s for version %s", etag, version)
			}
		})
	}
}

func TestVersionIsThePinnedOne(t *testing.T) {
	var pinned struct{ Dependencies map[string]string }
	readJSON(t, filepath.Join(testenv.Root(t), ".ci", "npm", "package.json"), &pinned)
	if got := pinned.Dependencies["socket.io-client"]; got != version {
		t.Errorf("embedded %s, .ci/npm/package.json pins %s: run .ci/bundle", version, got)
	}
	for _, name := range []string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"} {
		if body, _, _, _ := Lookup(name); !bytes.HasPrefix(body, []byte("/*!\n * Socket.IO v"+version+"\n")) {
			t.Errorf("%s does not begin with the banner of version %s", name, version)
		}
	}
}

func TestOtherNamesAreNotServed(t *testing.T) {
	for _, name := range []string{"", "/socket.io.js", "dist/socket.io.js", "../dist/socket.io.js", "Socket.io.js", "VERSION", "LICENSES", "socket.io.js.map.map"} {
		if body, contentType, etag, ok := Lookup(name); ok || body != nil || contentType != "" || etag != "" {
			t.Errorf("Lookup(%q) = %d bytes, %q, %q, %v", name, len(body), contentType, etag, ok)
		}
	}
}

// The maps name the packages that upstream's build put into the files.
func TestEveryBuiltInPackageHasItsLicence(t *testing.T) {
	licences, err := os.ReadFile(filepath.Join("dist", "LICENSES"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"socket.io.js.map", "socket.io.min.js.map", "socket.io.esm.min.js.map", "socket.io.msgpack.min.js.map"} {
		body, _, _, _ := Lookup(name)
		var sourceMap struct{ Sources []string }
		if err := json.Unmarshal(body, &sourceMap); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(sourceMap.Sources) == 0 {
			t.Errorf("%s names no sources", name)
		}
		for _, source := range sourceMap.Sources {
			header := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(packageOf(source)) + ` \d+\.\d+\.\d+\n\n(.*\n){0,3}.*Copyright`)
			if !header.Match(licences) {
				t.Errorf("%s holds %s, but dist/LICENSES has no licence of %s", name, source, packageOf(source))
			}
		}
	}
}

// packageOf turns a path of upstream's source tree into a package name.
func packageOf(source string) string {
	if _, path, found := strings.Cut(source, "node_modules/"); found {
		parts := strings.Split(path, "/")
		if strings.HasPrefix(path, "@") {
			return parts[0] + "/" + parts[1]
		}
		return parts[0]
	}
	if path, found := strings.CutPrefix(source, "../../"); found {
		name, _, _ := strings.Cut(path, "/")
		if scoped, found := strings.CutPrefix(name, "socket.io-component-"); found {
			return "@socket.io/component-" + scoped
		}
		return name
	}
	return "socket.io-client"
}

func TestLookupDoesNotAllocate(t *testing.T) {
	if got := testing.AllocsPerRun(100, func() { Lookup("socket.io.msgpack.min.js.map") }); got != 0 {
		t.Errorf("%v allocations per lookup", got)
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

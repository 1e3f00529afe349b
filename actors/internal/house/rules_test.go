package house

// Patterns name packages by their path in this module: "actors" is that
// package alone, "actors/..." is it and everything below.

// testSupport is what test files anywhere may import besides their row.
var testSupport = []string{"transport/transporttest/..."}

// A layer says what a package may import of this module. A package that
// matches several rows obeys all of them. Test files may also import the
// package they test, testSupport and tests.
type layer struct {
	who     string
	only    []string
	tests   []string
	stdlib  bool // neither it nor what it imports may use a third-party module
	because string
}

var layers = []layer{
	{
		who: "actors", only: []string{"actors/internal/..."}, stdlib: true,
		because: "a user's room compiles against the standard library and this package, nothing else",
	},
	{
		who: "actors/...", only: []string{"actors/..."},
		because: "the runtime does not know how its members reach it; it meets the transport in main",
	},
	{
		who: "actors/internal/...", only: []string{"actors", "actors/internal/..."},
		because: "the machines under the runtime do not know the process they run in, nor a particular store",
	},
	{
		who: "actors/store/...", only: []string{"actors"}, tests: []string{"actors/store/...", "actors/node/nodetest"},
		because: "a store is one technology behind the seam in actors; a stranger can write one the same way",
	},
	{
		who: "actors/rawio", only: nil, stdlib: true,
		because: "it is system calls and nothing else, for whoever owns a socket",
	},
	{
		who: "transport/...", only: []string{"actors", "actors/rawio", "transport/..."},
		because: "the transport does not know what a room is; it meets the runtime in main",
	},
	{
		who: "transport/internal/engineio", only: nil,
		because: "the codec is bytes in, packets out: fuzzed and read alone",
	},
	{
		who: "transport/internal/socketio", only: nil,
		because: "the codec is bytes in, packets out: fuzzed and read alone",
	},
}

// A home lists the packages that may import a module. The row with the longest
// matching prefix counts; a module without a row may not be imported at all.
// Test files may also be in tests.
type home struct {
	module  string // a prefix of import paths, whole elements
	homes   []string
	tests   []string
	because string
}

var anywhere = []string{"..."}

var homes = []home{
	{
		module:  "github.com/asynkron/protoactor-go",
		homes:   []string{"actors/node/...", "actors/internal/cluster/..."},
		because: "the adapters around the machines are the only place that knows how actors are run",
	},
	{
		module:  "google.golang.org/protobuf",
		homes:   []string{"transport/transporttest/otlptest", "actors/node/...", "actors/internal/cluster/...", "actors/internal/wire/..."},
		because: "it is how messages of the runtime cross a node link",
	},
	{
		module:  "google.golang.org/grpc",
		homes:   []string{"actors/node/...", "actors/internal/cluster/..."},
		because: "it is the node link",
	},
	{
		module:  "github.com/redis/go-redis",
		homes:   []string{"actors/store/redis/...", "actors/cluster/...", "actors/internal/cluster/...", "cmd/node/..."},
		because: "rooms are durable and nodes find each other through it; nothing else talks to it",
	},
	{
		module:  "github.com/cockroachdb/pebble",
		homes:   []string{"actors/store/embedded/..."},
		because: "it is the embedded store",
	},
	{
		module:  "github.com/gorilla/websocket",
		homes:   []string{"transport", "transport/transporttest/..."},
		tests:   []string{"transport/...", "cmd/node/..."},
		because: "sockets are the transport's; everything else sees sessions and frames",
	},
	{
		module:  "golang.org/x/sys/unix",
		homes:   []string{"transport/internal/outbox/..."},
		tests:   anywhere, // network namespaces
		because: "the write that does not block is the one place that needs a system call",
	},
	{
		module:  "github.com/vmihailenco/msgpack",
		homes:   []string{"transport/internal/socketio/..."},
		because: "it is one of the two parsers of Socket.IO packets; elsewhere payloads are raw bytes",
	},
	{
		module:  "github.com/golang-jwt/jwt",
		homes:   []string{"transport/jwtauth/...", "examples/chat"},
		tests:   []string{"cmd/node/...", "examples/chat"},
		because: "who a token names is decided in one package; the chat example shows how a program of its own does it",
	},
	{
		module:  "github.com/MicahParks/jwkset",
		homes:   []string{"transport/jwtauth/..."},
		because: "it reads the keys that issuers publish, and nothing but jwtauth has keys",
	},
	{
		module:  "go.opentelemetry.io/otel",
		homes:   []string{"actors/node/...", "actors/internal/...", "transport/...", "cmd/node/..."},
		because: "its API is where spans and metrics are made; tracer and meter come in through a Config",
	},
	{
		module:  "go.opentelemetry.io/otel/sdk",
		homes:   []string{"cmd/node/..."},
		tests:   []string{"actors/node/...", "actors/internal/...", "transport/..."}, // to read what was recorded
		because: "the process decides where telemetry goes, not a library in it",
	},
	{
		module:  "go.opentelemetry.io/otel/exporters",
		homes:   []string{"cmd/node/..."},
		because: "the process decides where telemetry goes, not a library in it",
	},
	{
		module:  "go.opentelemetry.io/contrib/exporters/autoexport",
		homes:   []string{"cmd/node/..."},
		because: "the process decides where telemetry goes, not a library in it",
	},
	{
		module:  "go.opentelemetry.io/proto/otlp",
		homes:   []string{"transport/transporttest/otlptest"},
		because: "it reads what was exported",
	},
	{
		module:  "github.com/prometheus/client_golang",
		homes:   []string{"cmd/node/..."},
		because: "the process decides where telemetry goes, not a library in it",
	},
	{
		module:  "go.yaml.in/yaml",
		homes:   []string{"cmd/node/..."},
		because: "the ready-made server has a configuration file; the library has structs",
	},
	{
		module:  "github.com/spf13",
		homes:   []string{"cmd/node/..."},
		because: "the ready-made server has a command line; the library has structs",
	},
	{
		module:  "github.com/google/licensecheck",
		tests:   []string{"actors/internal/house"},
		because: "it reads the licences of the others",
	},
	{
		module:  "github.com/chromedp",
		homes:   []string{"transport/transporttest/browsertest"},
		tests:   anywhere,
		because: "it drives the browser in tests",
	},
	{
		module:  "go.uber.org/goleak",
		tests:   anywhere,
		because: "it finds goroutines a test left behind",
	},
	{
		module:  "github.com/anishathalye/porcupine",
		tests:   anywhere,
		because: "it judges whether one order of turns explains what clients were answered",
	},
	{
		module:  "pgregory.net/rapid",
		homes:   []string{"actors/store/storetest"},
		tests:   anywhere,
		because: "it makes and shrinks random test cases",
	},
}

// topLevel are the directories beside the dot directories. bin is what make
// build leaves and git ignores.
var topLevel = []string{"actors", "bin", "cmd", "docs", "examples", "transport"}

// pinned are modules whose version is part of the design.
var pinned = []struct{ module, version, because string }{
	{
		"github.com/asynkron/protoactor-go", "v0.0.0-20260118094027-288962e52f3f",
		"the adapters work around what this version does and does not give",
	},
}

// unwanted are texts that no file may contain. They are written in halves
// because this file is one of those that are searched.
var unwanted = []struct{ text, because string }{
	{"/wo" + "rk/", "a path of somebody's machine means nothing on another"},
	{"registry." + "npmjs.org", "a clone installs from the registry its machine is set up for"},
	{"registry." + "yarnpkg.com", "a clone installs from the registry its machine is set up for"},
	{"proxy." + "golang.org", "a clone installs from the proxy its machine is set up for"},
	{"sum." + "golang.org", "a clone installs from the proxy its machine is set up for"},
	{"files." + "pythonhosted.org", "a clone installs from the index its machine is set up for"},
	{"py" + "pi.org", "a clone installs from the index its machine is set up for"},
	{"deb." + "debian.org", "a clone installs from the mirror its machine is set up for"},
}

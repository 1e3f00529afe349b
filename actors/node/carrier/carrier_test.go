package carrier

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/actors/node"
)

// Two remotes in one process race (Remote.Start replaces gRPC's logger), so the
// other end of every test is a process of its own: this binary, as a peer that
// sends everything back.
const peerEnv = "PARLOR_TEST_CARRIER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(peerEnv); dir != "" {
		os.Exit(echo(dir))
	}
	os.Exit(run(m))
}

// The one carrier of this process, and the certificates of its cluster.
var (
	ours    string
	carrier *Carrier
	got     = make(chan []byte, 100_000)
)

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "carrier")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	authority("ours").issue(dir)
	ours = dir
	if carrier, err = New(Config{Listen: "127.0.0.1:0", TLS: load(ours), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		panic(err)
	}
	if err := carrier.Open("test", func(b []byte) { got <- b }); err != nil {
		panic(err)
	}
	status := m.Run()
	if err := carrier.Close(); err != nil {
		panic(err)
	}
	return status
}

// echo returns batches to the address that they begin with.
func echo(dir string) int {
	cfg := Config{Listen: "127.0.0.1:0", TLS: load(dir), Logger: slog.New(slog.DiscardHandler)}
	if len(os.Args) > 1 {
		cfg.Listen = os.Args[1]
	}
	c, err := New(cfg)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	err = c.Open("peer", func(b []byte) {
		if to, _, ok := bytes.Cut(b, []byte(" ")); ok {
			c.Send(node.Peer{Address: string(to)}, b)
		}
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(c.Address())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends it
	if err := c.Close(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// peer is a process of echo.
type peer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	out   *bufio.Reader
	at    node.Peer
}

func startPeer(t *testing.T, dir string, args ...string) *peer {
	t.Helper()
	p := &peer{cmd: exec.Command(os.Args[0], args...)}
	p.cmd.Env = append(os.Environ(), peerEnv+"="+dir)
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.out = stdin, bufio.NewReader(stdout)
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p.at = node.Peer{ID: "peer", Address: line[:len(line)-1]}
	if _, _, err := net.SplitHostPort(p.at.Address); err != nil {
		t.Fatalf("the peer says %q", line)
	}
	return p
}

// stop ends the peer in order and fails the test if it does not.
func (p *peer) stop(t *testing.T) {
	t.Helper()
	_ = p.stdin.Close()
	rest, _ := io.ReadAll(p.out)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the peer ended with %v: %s", err, rest)
	}
}

// alive fails the test if a batch does not come back.
func (p *peer) alive(t *testing.T) {
	t.Helper()
	want := append([]byte(carrier.Address()+" "), rand.Text()...)
	for range 100 {
		carrier.Send(p.at, bytes.Clone(want))
		select {
		case b := <-got:
			if bytes.Equal(b, want) {
				return
			}
		case <-time.After(200 * time.Millisecond):
		}
	}
	t.Fatal("the peer does not answer")
}

// TestBatchesArriveInOrder sends small and large ones, all at once: more than
// gRPC takes in one message.
func TestBatchesArriveInOrder(t *testing.T) {
	p := startPeer(t, ours)
	p.alive(t)
	const n = 400
	at := len(carrier.Address()) + 1
	for i := range n {
		b := binary.BigEndian.AppendUint32([]byte(carrier.Address()+" "), uint32(i))
		if i%3 == 0 {
			b = append(b, make([]byte, node.MaxBatch-len(b))...)
		}
		carrier.Send(p.at, b)
	}
	for i := range n {
		select {
		case b := <-got:
			if number := binary.BigEndian.Uint32(b[at:]); number != uint32(i) {
				t.Fatalf("%d came in place of %d", number, i)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%d of %d came", i, n)
		}
	}
	p.stop(t)
}

func TestAPeerIsReachedAgainAtItsAddress(t *testing.T) {
	p := startPeer(t, ours)
	p.alive(t)
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	for range 10 { // into the void
		carrier.Send(p.at, []byte("x"))
	}
	carrier.Forget(p.at)
	p = startPeer(t, ours, p.at.Address)
	p.alive(t)
	p.stop(t)
}

func TestAConfigurationMustBeSafe(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no TLS off loopback":  {Listen: "10.0.0.1:7000"},
		"all of the machine":   {Listen: ":7000"},
		"all, in IPv6":         {Listen: "[::]:7000"},
		"TLS of one side only": {Listen: "127.0.0.1:0", TLS: &tls.Config{MinVersion: tls.VersionTLS13}},
		"an old TLS":           {Listen: "127.0.0.1:0", TLS: &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAndVerifyClientCert}},
		"no port":              {Listen: "127.0.0.1"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	c, err := New(Config{Listen: taken.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open("x", func([]byte) {}); err == nil {
		t.Error("a port that is taken is no error")
	}
}

func TestTheAddressIsWhatOthersReach(t *testing.T) {
	for advertise, want := range map[string]string{"": "127.0.0.1:7000", "node-3": "node-3:7000", "node-3:77": "node-3:77", "[::1]:77": "[::1]:77"} {
		if got := advertised(advertise, "127.0.0.1", 7000); got != want {
			t.Errorf("advertised as %q the address is %q, want %q", advertise, got, want)
		}
	}
}

// ca issues certificates.
type ca struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func authority(name string) *ca {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return &ca{key, cert}
}

// issue writes ca.pem, node.pem and node-key.pem for a node on loopback.
func (a *ca) issue(dir string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":       {Type: "CERTIFICATE", Bytes: a.cert.Raw},
		"node.pem":     {Type: "CERTIFICATE", Bytes: der},
		"node-key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			panic(err)
		}
	}
}

// load makes of what issue wrote what a node is given.
func load(dir string) *tls.Config {
	roots := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		panic(err)
	}
	roots.AppendCertsFromPEM(text)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "node.pem"), filepath.Join(dir, "node-key.pem"))
	if err != nil {
		panic(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}

package certs

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// handshake connects two configurations and returns what each end says.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, err = tls.Server(conn, server).Write([]byte("x")) // by which the client finds out what the server thinks of it
		done <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	client = client.Clone()
	client.ServerName = "node-1"
	_, clientErr = tls.Client(conn, client).Read(make([]byte, 1))
	_ = conn.Close()
	return <-done, clientErr
}

func issue(t *testing.T, authority string, hosts ...string) *tls.Config {
	t.Helper()
	dir := t.TempDir()
	if err := Issue(authority, dir, hosts, time.Now()); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func authority(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	if err := Init(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestNodesOfOneClusterKnowEachOther(t *testing.T) {
	ca := authority(t)
	one, two := issue(t, ca, "node-1", "10.0.0.1"), issue(t, ca, "node-2")
	if server, client := handshake(t, one, two); server != nil || client != nil {
		t.Errorf("refused: %v, %v", server, client)
	}
}

func TestNobodyElseIsANode(t *testing.T) {
	ca := authority(t)
	one := issue(t, ca, "node-1")
	plain := issue(t, ca, "node-2") // but of no role
	plain.Certificates[0] = withoutRole(t, ca)
	none := issue(t, ca, "node-3")
	none.Certificates = nil
	old := issue(t, ca, "node-4")
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, other := range map[string]*tls.Config{
		"another authority's": issue(t, authority(t), "node-1"), "without a certificate": none, "of no role": plain, "with TLS 1.2": old,
	} {
		if server, _ := handshake(t, one, other); server == nil {
			t.Errorf("a client %s is let in", name)
		}
		if name == "without a certificate" {
			continue // cannot serve
		}
		if _, client := handshake(t, other, one); client == nil {
			t.Errorf("a server %s is believed", name)
		}
	}
	if _, client := handshake(t, issue(t, ca, "node-9"), one); client == nil {
		t.Error("a node is believed under the name of another")
	}
}

// withoutRole is a certificate of the authority that is not a node's.
func withoutRole(t *testing.T, ca string) tls.Certificate {
	t.Helper()
	signer, err := tls.LoadX509KeyPair(filepath.Join(ca, authorityFile), filepath.Join(ca, authorityKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := make509(&x509.Certificate{
		Subject: pkix.Name{CommonName: "x"}, DNSNames: []string{"node-1"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, signer.Leaf, signer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{cert}, PrivateKey: key}
}

func TestAnAuthorityIsNotReplaced(t *testing.T) {
	ca := authority(t)
	if err := Init(ca, time.Now()); err == nil {
		t.Error("it was made again")
	}
	if info, err := os.Stat(filepath.Join(ca, authorityKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its key is readable by others: %v, %v", info.Mode(), err)
	}
	if err := Issue(ca, t.TempDir(), nil, time.Now()); err == nil {
		t.Error("a node without a host was given a certificate")
	}
	if err := Issue(t.TempDir(), t.TempDir(), []string{"a"}, time.Now()); err == nil {
		t.Error("a certificate without an authority")
	}
}

func TestLoadingSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "node.pem") {
		t.Errorf("of an empty directory: %v", err)
	}
	if err := Issue(authority(t), dir, []string{"a"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, authorityFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "ca.pem") {
		t.Errorf("of a damaged authority: %v", err)
	}
}

package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parlor-rooms/parlor/transport/transporttest"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	a.cert, a.key, a.pem = certificate(t, name, nil)
	return a
}

// certificate makes one, of its own authority if by is nil.
func certificate(t *testing.T, name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer, parent := key, template
	if by == nil {
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage |= x509.KeyUsageCertSign
	} else {
		signer, parent = by.key, by.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// issue writes a certificate and its key into files.
func (a *authority) issue(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	_, k, chain := certificate(t, name, a)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write(t, cert, chain)
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return cert, key
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// trusting is how a client goes about it that trusts the authority.
func (a *authority) trusting() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool}
}

// shownBy connects and returns the name on the certificate that is shown.
func shownBy(t *testing.T, addr net.Addr, c *tls.Config) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr.String(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestACertificateIsReplacedWithoutEndingAConnection(t *testing.T) {
	ca, dir := newAuthority(t, "authority"), t.TempDir()
	cert, key := ca.issue(t, dir, "first")
	r := start(t, "--tls-cert="+cert, "--tls-key="+key)
	r.url = "https://" + r.Public.String()
	var rooms []*transporttest.Namespace
	for _, transport := range []transporttest.Transport{transporttest.WebSocket, transporttest.Polling, transporttest.Upgrade} {
		rooms = append(rooms, enter(t, dial(t, r, transporttest.Options{Transport: transport, TLS: ca.trusting()}), "/playground/x", nil))
	}
	if name := shownBy(t, r.Public, ca.trusting()); name != "first" {
		t.Errorf("clients are shown %s", name)
	}
	write(t, key, []byte("half a file")) // what fits together goes on
	await(t, "word of the failure", func() bool {
		return shownBy(t, r.Public, ca.trusting()) == "first" && strings.Contains(r.log.String(), "the certificate was not replaced")
	})
	ca.issue(t, dir, "second")
	await(t, "the new certificate", func() bool { return shownBy(t, r.Public, ca.trusting()) == "second" })
	if n := strings.Count(r.log.String(), "the certificate was not replaced"); n > 3 { // one for each attempt that was seen
		t.Errorf("%d lines about one failure", n)
	}
	for i, room := range rooms {
		if err := room.Emit("chat", fmt.Sprint("from ", i)); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	for range rooms[1:] { // one is its own
		next(t, rooms[0], "chat")
	}
}

// await waits for what is bound to happen within some seconds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit:
			t.Fatalf("no %s", what)
		}
	}
}

func TestOperatorsShowACertificate(t *testing.T) {
	ca, other, dir := newAuthority(t, "authority"), newAuthority(t, "another"), t.TempDir()
	cert, key := ca.issue(t, dir, "server")
	authorities := filepath.Join(dir, "ca.pem")
	write(t, authorities, ca.pem)
	r := start(t, "--admin-listen=127.0.0.1:0", "--admin-tls-cert="+cert, "--admin-tls-key="+key, "--admin-tls-client-ca="+authorities)
	post := func(by *authority) (int, error) {
		c := ca.trusting()
		if by != nil {
			cert, key := by.issue(t, t.TempDir(), "ada")
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
		resp, err := client.Post("https://"+r.Admin.String()+"/revoke?subject=eve", "", nil)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	if status, err := post(nil); err == nil {
		t.Errorf("without a certificate: %d", status)
	}
	if status, err := post(other); err == nil {
		t.Errorf("with that of another authority: %d", status)
	}
	if status, err := post(ca); err != nil || status != 200 {
		t.Errorf("with a certificate: %d, %v", status, err)
	}
	if log := r.log.String(); !strings.Contains(log, `query="subject=eve"`) || !strings.Contains(log, "as=CN=ada status=200") && !strings.Contains(log, `as="CN=ada" status=200`) {
		t.Errorf("nobody knows who did it:\n%s", log)
	}
}

func TestAServerWithoutItsCertificateDoesNotStart(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for _, flag := range []string{"", "admin-"} {
		m := &Main{Args: []string{"serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--" + flag + "tls-cert=" + missing, "--" + flag + "tls-key=" + missing}, Stdout: new(log), Stderr: new(log)}
		if err := m.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "certificate "+missing) {
			t.Errorf("%stls: %v", flag, err)
		}
	}
}

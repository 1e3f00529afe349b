package tlsfiles

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair makes a certificate, signed by itself, and its key.
func pair(t *testing.T, name string) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
}

// TestWhatDoesNotFitTogetherIsNotTakenUp replaces the certificate and its key one
// after the other, as people and programs do.
func TestWhatDoesNotFitTogetherIsNotTakenUp(t *testing.T) {
	dir := t.TempDir()
	files := Files{Cert: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key")}
	clock := time.Unix(1000, 0)
	written := clock
	write := func(name string, data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		written = written.Add(time.Minute) // whatever the file system's clock is worth
		if err := os.Chtimes(name, written, written); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := pair(t, "first")
	write(files.Cert, cert)
	write(files.Key, key)
	var log bytes.Buffer
	c, err := files.server(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	shown := func() string {
		t.Helper()
		now, err := c.GetConfigForClient(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(now.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if now.MinVersion != tls.VersionTLS12 || len(now.NextProtos) != 1 {
			t.Errorf("%d %q", now.MinVersion, now.NextProtos)
		}
		return leaf.Subject.CommonName
	}
	next, nextKey := pair(t, "second")
	write(files.Cert, next)
	if shown() != "first" {
		t.Error("it was looked at within the second")
	}
	for range 3 {
		clock = clock.Add(lookEvery)
		if shown() != "first" {
			t.Error("a certificate with the key of another is shown")
		}
	}
	if n := strings.Count(log.String(), "was not replaced"); n != 1 {
		t.Errorf("%d lines about one failure", n)
	}
	write(files.Key, nextKey)
	clock = clock.Add(lookEvery)
	if shown() != "second" || !strings.Contains(log.String(), "was replaced") {
		t.Errorf("not taken up: %s", log.String())
	}
	if err := os.Remove(files.Key); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(lookEvery)
	if shown() != "second" {
		t.Error("without files there is no certificate")
	}
}

func TestFilesThatCannotBeLoadedAreAnError(t *testing.T) {
	dir := t.TempDir()
	cert, key := pair(t, "a")
	for name, data := range map[string][]byte{"a.crt": cert, "a.key": key, "empty.pem": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for want, f := range map[string]Files{
		"certificate " + at("none"):          {at("none"), at("a.key"), ""},
		"with key " + at("a.crt"):            {at("a.crt"), at("a.crt"), ""},
		"client authorities: open":           {at("a.crt"), at("a.key"), at("none")},
		"client authorities: no certificate": {at("a.crt"), at("a.key"), at("empty.pem")},
	} {
		if _, err := f.Server(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Package tlsfiles serves TLS from certificates in files, and takes up what
// replaces them without a restart and without ending a connection.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how old what is known of the files may be when a client comes.
const lookEvery = time.Second

// Files are PEM files. They may be replaced, together or one after the other,
// at any time: until they fit together, what was loaded last goes on.
type Files struct {
	Cert string // the certificate and those between it and its authority
	Key  string // its private key

	// ClientCA holds the authorities of which clients must show a certificate.
	// Empty means that none is asked for.
	ClientCA string
}

// Server returns the configuration of a listener, or an error if the files
// cannot be loaded at first. It speaks TLS 1.2 and 1.3, and HTTP/1.1 behind
// them, which a WebSocket needs. Failures later are logged, once for each
// attempt at replacing a file.
func (f Files) Server(log *slog.Logger) (*tls.Config, error) {
	return f.server(log, time.Now)
}

func (f Files) server(log *slog.Logger, now func() time.Time) (*tls.Config, error) {
	l := &loader{files: f, log: log, now: now}
	stamps := l.stamps()
	current, err := f.load()
	if err != nil {
		return nil, err
	}
	l.current, l.seen, l.at = current, stamps, now()
	c := base()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.get(), nil }
	return c, nil
}

func base() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// load reads the files.
func (f Files) load() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	c := base()
	c.Certificates = []tls.Certificate{cert}
	if f.ClientCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(f.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("client authorities: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client authorities: no certificate in %s", f.ClientCA)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

// stamp is what changes when a file is replaced.
type stamp struct {
	modified time.Time
	size     int64
}

// loader keeps what is in force.
type loader struct {
	// Set before it is shared, read-only afterwards.
	files Files
	log   *slog.Logger
	now   func() time.Time

	mu      sync.Mutex // guards the following
	current *tls.Config
	seen    [3]stamp  // of the files, at the last attempt
	failed  bool      // which failed
	at      time.Time // of the last look
}

// get returns what is in force for a client that comes now.
func (l *loader) get() *tls.Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.at) < lookEvery {
		return l.current
	}
	l.at = now
	stamps := l.stamps()
	again := l.failed && stamps == l.seen // the last attempt may have met half a file
	if stamps == l.seen && !again {
		return l.current
	}
	next, err := l.files.load()
	l.seen, l.failed = stamps, err != nil
	switch {
	case err == nil:
		l.current = next
		l.log.Info("the certificate was replaced", "file", l.files.Cert)
	case !again:
		l.log.Error("the certificate was not replaced", "err", err)
	}
	return l.current
}

func (l *loader) stamps() (s [3]stamp) {
	for i, name := range []string{l.files.Cert, l.files.Key, l.files.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return s
}

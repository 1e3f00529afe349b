// Package certs makes the certificates by which nodes of one cluster know each
// other, and the TLS configuration that asks for them.
package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files of a directory. A node is given the first three.
const (
	authorityFile    = "ca.pem"
	nodeFile         = "node.pem"
	nodeKeyFile      = "node-key.pem"
	authorityKeyFile = "ca-key.pem"
)

// How long certificates are good for. They are good from an hour ago, for
// clocks that differ.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	nodeLife      = 397 * 24 * time.Hour
	backdated     = time.Hour
)

// role is in the certificate of every node: another certificate of the same
// authority is not a node's.
var role = url.URL{Scheme: "parlor", Host: "node"}

// Init makes an authority in dir, which is made if it is missing. An authority
// that is there already is left alone, and that is an error.
func Init(dir string, now time.Time) error {
	if _, err := os.Stat(filepath.Join(dir, authorityKeyFile)); err == nil {
		return fmt.Errorf("%s has an authority already", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Parlor nodes"}, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
	}
	cert, key, err := make509(template, nil, nil)
	if err != nil {
		return err
	}
	return errors.Join(write(dir, authorityFile, "CERTIFICATE", cert, 0o644), writeKey(dir, authorityKeyFile, key))
}

// Issue writes into dir what one node needs, signed by the authority in from.
// hosts are the names and addresses by which others reach it.
func Issue(from, dir string, hosts []string, now time.Time) error {
	if len(hosts) == 0 {
		return errors.New("want a host by which other nodes reach the node")
	}
	authority, err := tls.LoadX509KeyPair(filepath.Join(from, authorityFile), filepath.Join(from, authorityKeyFile))
	if err != nil {
		return fmt.Errorf("the authority: %w", err)
	}
	signer, err := x509.ParseCertificate(authority.Certificate[0])
	if err != nil {
		return fmt.Errorf("the authority: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: hosts[0]}, URIs: []*url.URL{&role},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(nodeLife),
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	cert, key, err := make509(template, signer, authority.PrivateKey)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(
		write(dir, authorityFile, "CERTIFICATE", signer.Raw, 0o644),
		write(dir, nodeFile, "CERTIFICATE", cert, 0o644), writeKey(dir, nodeKeyFile, key))
}

// make509 makes a key and a certificate for it, signed by itself if there is no
// signer.
func make509(template, signer *x509.Certificate, signerKey crypto.PrivateKey) (cert []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	if signer == nil {
		signer, signerKey = template, key
	}
	cert, err = x509.CreateCertificate(rand.Reader, template, signer, &key.PublicKey, signerKey)
	return cert, key, err
}

func writeKey(dir, name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return write(dir, name, "PRIVATE KEY", der, 0o600)
}

func write(dir, name, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// Load returns how a node with the files in dir proves what it is, and asks the
// other end of a connection for the same, whoever called: TLS 1.3 and a
// certificate of the same authority with the role of a node.
func Load(dir string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, nodeFile), filepath.Join(dir, nodeKeyFile))
	if err != nil {
		return nil, fmt.Errorf("certificates of the node: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, fmt.Errorf("certificates of the node: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificates of the node: %s holds none", filepath.Join(dir, authorityFile))
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13, VerifyConnection: isNode,
	}, nil
}

// isNode implements tls.Config.VerifyConnection.
func isNode(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 || !slices.ContainsFunc(s.PeerCertificates[0].URIs, func(u *url.URL) bool { return *u == role }) {
		return fmt.Errorf("the certificate is not a node's: it lacks %s", role.String())
	}
	return nil
}

// Package jwtauth finds out who a client is from a JSON Web Token. It follows
// RFC 7519, the advice of RFC 8725, and is stricter where a server may be: keys
// are pinned to one method each, a token has to name issuer, audience, subject
// and end, lives a day at the most, and says nothing twice.
//
//	auth, err := jwtauth.New(jwtauth.Config{
//		Issuer: "https://id.example.org/", Audience: "parlor",
//		JWKS: &jwtauth.JWKS{URL: "https://id.example.org/.well-known/jwks.json"},
//	})
//	n, err := node.New(node.Config{Authenticator: auth, …})
//
// The token is the key token of the CONNECT payload (io(url, {auth: {token}})),
// or that of the header "Authorization: Bearer" of the handshake; never a part
// of the URL, which proxies and browsers write down.
package jwtauth

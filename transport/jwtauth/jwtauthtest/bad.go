package jwtauthtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/parlor-rooms/parlor/actors"
	"github.com/parlor-rooms/parlor/transport/jwtauth"
)

// Bad is a token that has to be refused.
type Bad struct {
	Name  string
	Token string
	Code  actors.Code // what the client is told
}

// Corpus returns every bad token. All but those of the group "signature" and
// "shape" carry a signature that is good for what they say, so that it is
// their content that has to be noticed.
func (i *Issuer) Corpus() []Bad {
	var all []Bad
	for _, group := range []func() map[string]string{i.algorithms, i.signatures, i.headers, i.shapes, i.names, i.times, i.repeated, i.granted} {
		for name, token := range group() {
			all = append(all, Bad{Name: name, Token: token, Code: actors.CodeUnauthorized})
		}
	}
	for name, claims := range map[string]map[string]any{
		"times: expired":                         i.With("exp", i.Now.Add(-time.Minute).Unix(), "iat", i.Now.Add(-time.Hour).Unix()),
		"times: expired and without a start":     i.With("exp", i.Now.Add(-time.Minute).Unix(), "iat", nil),
		"times: expired when the leeway is over": i.With("exp", i.Now.Add(-31*time.Second).Unix(), "iat", i.Now.Add(-time.Hour).Unix()),
		"times: the end is zero":                 i.With("exp", 0, "iat", nil),
	} {
		all = append(all, Bad{Name: name, Token: i.Good(claims), Code: actors.CodeTokenExpired})
	}
	return all
}

func (i *Issuer) algorithms() map[string]string {
	claims := text(i.Claims())
	input := encode(`{"alg":"HS256","typ":"JWT","kid":"hs"}`) + "." + encode(claims)
	none := func(alg string) string {
		return encode(`{"alg":`+alg+`,"typ":"JWT","kid":"hs"}`) + "." + encode(claims) + "."
	}
	public := i.PublicPEM()
	der := i.RSA.N.Bytes()
	return map[string]string{
		"alg: none":                           none(`"none"`),
		"alg: None":                           none(`"None"`),
		"alg: NONE":                           none(`"NONE"`),
		"alg: none, with a good signature":    i.Sign(jwtauth.HS256, `{"alg":"none","kid":"hs"}`, claims),
		"alg: empty":                          i.Sign(jwtauth.HS256, `{"alg":"","kid":"hs"}`, claims),
		"alg: absent":                         i.Sign(jwtauth.HS256, `{"typ":"JWT","kid":"hs"}`, claims),
		"alg: a number":                       i.Sign(jwtauth.HS256, `{"alg":256,"kid":"hs"}`, claims),
		"alg: null":                           i.Sign(jwtauth.HS256, `{"alg":null,"kid":"hs"}`, claims),
		"alg: lower case":                     i.Sign(jwtauth.HS256, `{"alg":"hs256","kid":"hs"}`, claims),
		"alg: HS384 for a key of HS256":       i.Sign(jwtauth.HS384, `{"alg":"HS384","kid":"hs"}`, claims),
		"alg: HS512 for a key of HS256":       i.Sign(jwtauth.HS512, `{"alg":"HS512","kid":"hs"}`, claims),
		"alg: RS512 for a key of RS256":       i.Sign(jwtauth.RS256, `{"alg":"RS512","kid":"rs"}`, claims),
		"alg: PS256 for a key of RS256":       i.Sign(jwtauth.RS256, `{"alg":"PS256","kid":"rs"}`, claims),
		"alg: ES384 for a key of ES256":       i.Sign(jwtauth.ES256, `{"alg":"ES384","kid":"es"}`, claims),
		"alg: the public PEM as the secret":   signWith(public, `{"alg":"HS256","typ":"JWT","kid":"rs"}`, claims),
		"alg: that without its last line end": signWith([]byte(strings.TrimSpace(string(public))), `{"alg":"HS256","kid":"rs"}`, claims),
		"alg: the modulus as the secret":      signWith(der, `{"alg":"HS256","kid":"rs"}`, claims),
		"alg: a secret's name for RS256":      i.Sign(jwtauth.RS256, `{"alg":"RS256","kid":"hs"}`, claims),
		"alg: EdDSA's name for ES256":         i.Sign(jwtauth.ES256, `{"alg":"ES256","kid":"ed"}`, claims),
		"alg: the empty secret":               signWith(nil, `{"alg":"HS256","kid":"hs"}`, claims),
		"alg: another header than signed":     encode(`{"alg":"HS256","kid":"hs"}`) + input[strings.Index(input, "."):] + i.Good(i.Claims())[len(input):],
	}
}

func (i *Issuer) signatures() map[string]string {
	good := i.Good(i.Claims())
	dot := strings.LastIndexByte(good, '.')
	head, signature := good[:dot], good[dot+1:]
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		panic(err)
	}
	raw[0] ^= 1
	payload := encode(text(i.With("sub", "root")))
	parts := strings.Split(good, ".")
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	stranger := *i
	stranger.EC, stranger.Secret = other, []byte(rand.Text()+rand.Text())
	// r and s of zero once passed for a signature of everything: CVE-2022-21449.
	psychic := encode(`{"alg":"ES256","kid":"es"}`) + "." + encode(text(i.Claims())) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	return map[string]string{
		"signature: one bit differs":        head + "." + base64.RawURLEncoding.EncodeToString(raw),
		"signature: empty":                  head + ".",
		"signature: cut":                    good[:len(good)-4],
		"signature: of other claims":        parts[0] + "." + payload + "." + parts[2],
		"signature: of a stranger's secret": stranger.Good(i.Claims()),
		"signature: of a stranger's key":    stranger.Sign(jwtauth.ES256, `{"alg":"ES256","kid":"es"}`, text(i.Claims())),
		"signature: zero for ES256":         psychic,
		"signature: with padding":           good + "=",
		"signature: unused bits are set":    head + "." + unusedBits(signature),
		"signature: a line end in it":       head + "." + signature[:5] + "\n" + signature[5:],
		"signature: in the other alphabet":  head + "." + strings.NewReplacer("-", "+", "_", "/").Replace(signature) + "+",
		"signature: ASN.1 for ES256":        i.asn1(),
	}
}

// unusedBits sets the last bit of the last letter, which decoders that are not
// strict pass over: 32 bytes are 42 letters and four bits of the 43rd.
func unusedBits(s string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(letters, s[len(s)-1])
	return s[:len(s)-1] + string(letters[last|1])
}

// asn1 is a good signature in a form that RFC 7518 does not use.
func (i *Issuer) asn1() string {
	good := i.Sign(jwtauth.ES256, `{"alg":"ES256","kid":"es"}`, text(i.Claims()))
	dot := strings.LastIndexByte(good, '.')
	raw, err := base64.RawURLEncoding.DecodeString(good[dot+1:])
	if err != nil {
		panic(err)
	}
	der := []byte{0x30, 0}
	for _, half := range [][]byte{raw[:32], raw[32:]} {
		n := append([]byte{0}, new(big.Int).SetBytes(half).Bytes()...)
		der = append(append(der, 2, byte(len(n))), n...)
	}
	der[1] = byte(len(der) - 2)
	return good[:dot+1] + base64.RawURLEncoding.EncodeToString(der)
}

func (i *Issuer) headers() map[string]string {
	bad := make(map[string]string)
	for name, more := range map[string]string{
		"crit":                    `"crit":["exp"]`,
		"crit, empty":             `"crit":[]`,
		"crit of b64":             `"crit":["b64"],"b64":false`,
		"b64":                     `"b64":false`,
		"b64, true":               `"b64":true`,
		"jku":                     `"jku":"https://evil.example.org/jwks.json"`,
		"jwk":                     `"jwk":{"kty":"oct","k":"AAAA"}`,
		"x5u":                     `"x5u":"https://evil.example.org/cert.pem"`,
		"x5c":                     `"x5c":["MIIB"]`,
		"a nested token":          `"cty":"JWT"`,
		"compressed":              `"zip":"DEF"`,
		"encrypted":               `"enc":"A256GCM"`,
		"typ of a security event": `"typ":"secevent+jwt"`,
		"typ of a logout token":   `"typ":"logout+jwt"`,
		"typ that is no text":     `"typ":5`,
		"alg twice":               `"alg":"HS256"`,
		"alg in two cases":        `"ALG":"none"`,
		"alg with an escape":      `"\u0061lg":"HS256"`,
		"crit in another case":    `"Crit":[]`,
		"jku in another case":     `"JKU":"https://evil.example.org/"`,
	} {
		bad["header: "+name] = i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs",`+more+`}`, text(i.Claims()))
	}
	for name, kid := range map[string]string{
		"kid of nobody":         `"nobody"`,
		"kid that is a path":    `"../../../../dev/null"`,
		"kid that is SQL":       `"hs' OR '1'='1"`,
		"kid that is a command": `"hs|sleep 10"`,
		"kid in another case":   `"HS"`,
		"kid with a zero byte":  `"hs\u0000"`,
		"kid that is no text":   `["hs"]`,
		"kid that is null":      `null`,
		"kid that is empty":     `""`,
		"kid that is very long": `"` + strings.Repeat("k", 1_000) + `"`,
	} {
		bad["header: "+name] = i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":`+kid+`}`, text(i.Claims()))
	}
	for name, header := range map[string]string{
		"an array": `["HS256"]`, "null": `null`, "not JSON": `{"alg":"HS256"`, "empty": ``,
		"two objects": `{"alg":"HS256","kid":"hs"}{}`, "not UTF-8": "{\"alg\":\"HS256\",\"kid\":\"hs\",\"x\":\"\xff\"}",
	} {
		bad["header: "+name] = i.Sign(jwtauth.HS256, header, text(i.Claims()))
	}
	return bad
}

func (i *Issuer) shapes() map[string]string {
	good := i.Good(i.Claims())
	parts := strings.Split(good, ".")
	return map[string]string{
		"shape: one part":             parts[0],
		"shape: two parts":            parts[0] + "." + parts[1],
		"shape: four parts":           good + "." + parts[2],
		"shape: five parts (JWE)":     "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.." + parts[1] + "." + parts[1] + "." + parts[2],
		"shape: dots":                 "..",
		"shape: a word":               "token",
		"shape: JSON serialization":   text(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]}),
		"shape: a space in front":     " " + good,
		"shape: a line end behind":    good + "\n",
		"shape: with its scheme":      "Bearer " + good,
		"shape: a zero byte":          good + "\x00",
		"shape: longer than allowed":  i.Good(i.With("x", strings.Repeat("x", jwtauth.MaxToken))),
		"shape: many dots":            strings.Repeat(".", 5_000),
		"shape: a token in a token":   i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, good),
		"shape: claims are an array":  i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, "["+text(i.Claims())+"]"),
		"shape: claims are null":      i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, "null"),
		"shape: claims are empty":     i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, "{}"),
		"shape: claims are cut":       i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, strings.TrimSuffix(text(i.Claims()), "}")),
		"shape: claims are not UTF-8": i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, strings.Replace(text(i.Claims()), "u-7", "u-\xff", 1)),
		"shape: claims are deep":      i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, strings.Repeat(`{"a":`, 900)+"1"+strings.Repeat("}", 900)),
	}
}

func (i *Issuer) names() map[string]string {
	bad := make(map[string]string)
	for name, claims := range map[string]map[string]any{
		"no issuer":                   i.With("iss", nil),
		"another issuer":              i.With("iss", "https://id.example.org"),
		"an issuer in another case":   i.With("iss", strings.ToUpper(Name)),
		"a list of issuers":           i.With("iss", []string{Name}),
		"no audience":                 i.With("aud", nil),
		"another audience":            i.With("aud", "billing"),
		"other audiences":             i.With("aud", []string{"billing", "Parlor-test"}),
		"an empty audience":           i.With("aud", ""),
		"an empty list of audiences":  i.With("aud", []string{}),
		"audiences that are no texts": i.With("aud", []any{Audience, 5}),
		"an audience that is null":    i.With("aud", []any{nil, Audience}),
		"too many audiences":          i.With("aud", append(make([]string, 40), Audience)),
		"no subject":                  i.With("sub", nil),
		"an empty subject":            i.With("sub", ""),
		"a subject that is a number":  i.With("sub", 7),
		"a subject that is an object": i.With("sub", map[string]any{"$ne": ""}),
		"a subject that is long":      i.With("sub", strings.Repeat("u", 300)),
		"a subject with a line end":   i.With("sub", "u\nlevel=ERROR msg=forged"),
		"a subject with an escape":    i.With("sub", "u\x1b[2J"),
		"a token id that is a number": i.With("jti", 1),
	} {
		bad["names: "+name] = i.Good(claims)
	}
	bad["names: subject null"] = i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, strings.Replace(text(i.Claims()), `"u-7"`, "null", 1))
	return bad
}

func (i *Issuer) times() map[string]string {
	bad := make(map[string]string)
	at := func(d time.Duration) int64 { return i.Now.Add(d).Unix() }
	for name, claims := range map[string]map[string]any{
		"no end":                             i.With("exp", nil),
		"an end that is a text":              i.With("exp", fmt.Sprint(at(time.Hour))),
		"an end that is true":                i.With("exp", true),
		"an end far away":                    i.With("exp", at(100*365*24*time.Hour)),
		"an end beyond numbers":              i.With("exp", json.Number("1e300")),
		"an end before 1970":                 i.With("exp", -1, "iat", nil),
		"more than a day":                    i.With("iat", at(0), "exp", at(25*time.Hour)),
		"more than a day, without its start": i.With("iat", nil, "exp", at(25*time.Hour)),
		"a start in the future":              i.With("iat", at(20*time.Minute)),
		"a start after the end":              i.With("iat", at(5*time.Second), "exp", at(2*time.Second)),
		"not before the future":              i.With("nbf", at(20*time.Minute)),
		"not before a text":                  i.With("nbf", "now"),
		"not before the end":                 i.With("nbf", at(-time.Second), "exp", at(-2*time.Second)),
		"expired, for somebody else":         i.With("exp", at(-time.Hour), "iat", at(-2*time.Hour), "aud", "billing"),
		"expired, from somebody else":        i.With("exp", at(-time.Hour), "iat", at(-2*time.Hour), "iss", "https://evil.example.org/"),
		"expired, of nobody":                 i.With("exp", at(-time.Hour), "iat", at(-2*time.Hour), "sub", nil),
	} {
		bad["times: "+name] = i.Good(claims)
	}
	bad["times: expired, signed by a stranger"] = signWith([]byte("another secret of another issuer, long enough"),
		`{"alg":"HS256","kid":"hs"}`, text(i.With("exp", at(-time.Hour), "iat", at(-2*time.Hour))))
	return bad
}

func (i *Issuer) repeated() map[string]string {
	bad := make(map[string]string)
	for name, more := range map[string]string{
		"sub twice":             `"sub":"root"`,
		"sub in another case":   `"SUB":"root"`,
		"sub with an escape":    `"\u0073ub":"root"`,
		"sub with a long s":     `"ſub":"root"`, // which encoding/json takes for an s
		"exp twice":             `"exp":9999999999`,
		"exp in another case":   `"Exp":9999999999`,
		"aud in another case":   `"AUD":"x"`,
		"iss twice":             `"iss":"` + Name + `"`,
		"rooms in another case": `"Rooms":[]`,
		"nbf in another case":   `"NBF":0`,
		"others twice":          `"role":"user","role":"admin"`,
		"others in two cases":   `"role":"user","Role":"admin"`,
	} {
		bad["repeated: "+name] = i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, strings.TrimSuffix(text(i.Claims()), "}")+","+more+"}")
	}
	return bad
}

func (i *Issuer) granted() map[string]string {
	bad := make(map[string]string)
	for name, rooms := range map[string]string{
		"null":                 `null`,
		"an object":            `{"p":"board/*","ops":["join"]}`,
		"no pattern":           `[{"ops":["join"]}]`,
		"no operations":        `[{"p":"board/*"}]`,
		"an unknown operation": `[{"p":"board/*","ops":["admin"]}]`,
		"any operation":        `[{"p":"board/*","ops":["*"]}]`,
		"ops twice":            `[{"p":"board/*","ops":["join"],"ops":["moderate"]}]`,
		"ops in another case":  `[{"p":"board/*","ops":["join"],"OPS":["moderate"]}]`,
		"a reserved event":     `[{"p":"board/*","ops":["publish:room:state"]}]`,
		"a long pattern":       `[{"p":"` + strings.Repeat("*a", 300) + `","ops":["join"]}]`,
		"too many":             `[` + strings.TrimSuffix(strings.Repeat(`{"p":"a/b","ops":["join"]},`, 65), ",") + `]`,
	} {
		bad["grants: "+name] = i.Sign(jwtauth.HS256, `{"alg":"HS256","kid":"hs"}`, strings.TrimSuffix(text(i.Claims()), "}")+`,"rooms":`+rooms+"}")
	}
	return bad
}

package jwtauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/parlor-rooms/parlor/actors"
)

const (
	maxName     = 256 // bytes of sub and jti
	maxAudience = 32  // entries of aud
)

// claims are those of one token. It implements jwt.Claims.
type claims struct {
	issuer, subject, id        string
	audience                   []string
	expires, notBefore, issued *jwt.NumericDate
	grants                     *actors.Grants
	more                       json.RawMessage // all other claims as an object; nil if there is none
}

var claimNames = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "rooms"}

// UnmarshalJSON implements json.Unmarshaler.
func (c *claims) UnmarshalJSON(data []byte) error {
	members, err := object(data, claimNames)
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := c.set(m.key, m.value); err != nil {
			return fmt.Errorf("%s: %w", clip(m.key), err)
		}
	}
	return nil
}

func (c *claims) set(key string, value json.RawMessage) (err error) {
	switch key {
	case "iss":
		c.issuer, err = text(value)
	case "sub":
		c.subject, err = name(value)
	case "jti":
		c.id, err = name(value)
	case "aud":
		c.audience, err = audience(value)
	case "exp":
		c.expires, err = date(value)
	case "nbf":
		c.notBefore, err = date(value)
	case "iat":
		c.issued, err = date(value)
	case "rooms":
		c.grants, err = actors.ParseGrants(value)
	default:
		c.more, err = appendMember(c.more, key, value)
	}
	return err
}

// name reads what is shown to others and written to logs.
func name(value json.RawMessage) (string, error) {
	s, err := text(value)
	if err != nil {
		return "", err
	}
	if s == "" || len(s) > maxName {
		return "", fmt.Errorf("want 1 to %d bytes", maxName)
	}
	for _, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return "", errors.New("there is a control character in it")
		}
	}
	return s, nil
}

func audience(value json.RawMessage) ([]string, error) {
	if one, err := text(value); err == nil {
		return []string{one}, nil
	}
	var list []*string
	if err := json.Unmarshal(value, &list); err != nil || len(list) == 0 || len(list) > maxAudience {
		return nil, fmt.Errorf("want a text, or 1 to %d texts", maxAudience)
	}
	var names []string
	for _, s := range list {
		if s == nil {
			return nil, errors.New("null is not a text")
		}
		names = append(names, *s)
	}
	return names, nil
}

// date reads seconds since 1970, RFC 7519 section 2.
func date(value json.RawMessage) (*jwt.NumericDate, error) {
	const farthest = 253402300799 // the year 9999 ends
	seconds, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !(seconds >= 0 && seconds <= farthest) {
		return nil, errors.New("want seconds since 1970 as a number")
	}
	return &jwt.NumericDate{Time: time.UnixMilli(int64(seconds * 1000))}, nil
}

func appendMember(to json.RawMessage, key string, value json.RawMessage) (json.RawMessage, error) {
	name, err := json.Marshal(key)
	if err != nil {
		return to, err
	}
	if to == nil {
		to = append(to, '{')
	} else {
		to[len(to)-1] = ','
	}
	to = append(append(append(to, name...), ':'), value...)
	return append(to, '}'), nil
}

// GetExpirationTime implements jwt.Claims.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.expires, nil }

// GetIssuedAt implements jwt.Claims.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.issued, nil }

// GetNotBefore implements jwt.Claims.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.notBefore, nil }

// GetIssuer implements jwt.Claims.
func (c *claims) GetIssuer() (string, error) { return c.issuer, nil }

// GetSubject implements jwt.Claims.
func (c *claims) GetSubject() (string, error) { return c.subject, nil }

// GetAudience implements jwt.Claims.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) { return c.audience, nil }

// checkTimes holds what a token says of its own life to the limit.
func (c *claims) checkTimes(now time.Time, leeway, most time.Duration) error {
	from := now.Add(leeway)
	if c.issued != nil {
		from = c.issued.Time
	}
	switch life := c.expires.Sub(from); {
	case life > most:
		return fmt.Errorf("it is valid for more than %v", most)
	case c.issued != nil && life <= 0, c.notBefore != nil && !c.expires.After(c.notBefore.Time):
		return errors.New("it ends before it begins")
	}
	return nil
}

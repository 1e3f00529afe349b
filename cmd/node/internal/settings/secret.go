package settings

import (
	"fmt"
	"log/slog"
)

// redacted stands where a secret was not shown.
const redacted = "[redacted]"

// Secret is a text that is not shown: however it is printed, logged or
// encoded, a Secret that is not empty reads [redacted]. It has no flag, because
// the arguments of a process are no secret.
type Secret string

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

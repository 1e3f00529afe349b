package config

import (
	"errors"
	"net"
	"strconv"
)

// Address is HOST:PORT to listen on. An empty host means every address of the
// machine.
type Address string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Address) UnmarshalText(text []byte) error {
	host, port, err := net.SplitHostPort(string(text))
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port is not a number from 0 to 65535")
	}
	*a = Address(net.JoinHostPort(host, port))
	return nil
}

// Want implements settings.Text.
func (*Address) Want() string { return "HOST:PORT, with a port from 0 to 65535" }

// OptionalAddress is an Address or empty.
type OptionalAddress string

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *OptionalAddress) UnmarshalText(text []byte) error {
	*a = ""
	if len(text) == 0 {
		return nil
	}
	return (*Address)(a).UnmarshalText(text)
}

// Want implements settings.Text.
func (*OptionalAddress) Want() string { return "HOST:PORT, with a port from 0 to 65535, or nothing" }

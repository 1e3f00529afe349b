package e2e

import (
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

// TestStockClientsRecoverInGateways drops connections in every way that loses
// events with other servers.
func TestStockClientsRecoverInGateways(t *testing.T) {
	for _, how := range transports {
		t.Run(how, func(t *testing.T) {
			s, _ := serveConformance(t)
			testenv.RunNode(t, "testdata/gateway_recovery.mjs", s.URL, how)
		})
	}
}

// TestStockClientsRecoverOnAnotherNode does the same where each connection
// lands on another node than the one before it.
func TestStockClientsRecoverOnAnotherNode(t *testing.T) {
	for kind := range clusters {
		t.Run(kind, func(t *testing.T) {
			testenv.RunNode(t, "testdata/gateway_recovery.mjs", conformingNodes(t, kind, 3), "websocket")
		})
	}
}

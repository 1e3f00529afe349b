//go:build long

package faults

import "testing"

// TestMembersOfADeadNodeLeaveWhoPoll is TestMembersOfADeadNodeLeave with a fifth
// of the guests polling through the balancer. It does not hold every time:
// docs/guarantees.md says so under "not promised".
func TestMembersOfADeadNodeLeaveWhoPoll(t *testing.T) {
	l := newLab(t, 3)
	membersOfADeadNodeLeave(t, l, l.place)
}

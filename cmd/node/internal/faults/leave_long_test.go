//go:build long

package faults

import "testing"

// TestMembersOfADeadNodeLeaveWhoPoll is TestMembersOfADeadNodeLeave with a fifth
// of the guests polling through the balancer. What is promised of those is in
// docs/guarantees.md.
func TestMembersOfADeadNodeLeaveWhoPoll(t *testing.T) {
	l := newLab(t, 3)
	membersOfADeadNodeLeave(t, l, l.place)
}

package main

import (
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitShare is the part of the memory of its cgroup that the process may have,
// in percent. The rest is what the Go runtime does not see: the kernel's buffers
// of its sockets.
const limitShare = 85

// limitMemory sets the memory limit that the environment has not set from that
// of the cgroup, if there is one, below a directory such as /sys/fs/cgroup.
func limitMemory(root string, membership []byte) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 { // GOMEMLIMIT
		return
	}
	if limit := cgroupLimit(root, membership); limit > 0 {
		debug.SetMemoryLimit(limit / 100 * limitShare)
	}
}

// cgroupLimit is the least limit of the process's cgroup and those above it, in
// bytes; zero if there is none. membership is /proc/self/cgroup. It knows
// version 2: https://docs.kernel.org/admin-guide/cgroup-v2.html
func cgroupLimit(root string, membership []byte) (least int64) {
	for line := range strings.Lines(string(membership)) {
		at, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		for at = path.Clean("/" + at); ; at = path.Dir(at) {
			text, err := os.ReadFile(path.Join(root, at, "memory.max"))
			limit, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
			if err == nil && bad == nil && limit > 0 && (least == 0 || limit < least) {
				least = limit
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}

package child

import (
	"os/exec"
	"syscall"
)

// endWithThread has the kernel kill the process when the thread that starts it
// has ended: prctl(2), PR_SET_PDEATHSIG.
func endWithThread(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

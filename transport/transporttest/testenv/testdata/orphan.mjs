// Ends at once and leaves a child behind. Prints the child's process id.
import { spawn } from "node:child_process";

const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
child.unref();
console.log(child.pid);

// Never ends, and has a child that never ends. Prints both process ids.
import { spawn } from "node:child_process";

const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" });
console.log(process.pid, child.pid);
setInterval(() => {}, 1000);

// Prints the versions of the packages it was given, through the require that
// testenv.RunNode documents, and a last line without an end.
import { createRequire } from "node:module";

const require = createRequire(process.env.PARLOR_NODE_MODULES + "/");
for (const name of process.argv.slice(2)) {
  require(name);
  console.log(`${name} ${require(name + "/package.json").version}`);
}
process.stdout.write("done");

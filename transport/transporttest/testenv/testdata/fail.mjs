console.error("the reason");
process.exitCode = 3;

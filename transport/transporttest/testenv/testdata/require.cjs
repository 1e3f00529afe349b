// A CommonJS script finds the packages without any ceremony.
console.log(typeof require("socket.io-client").io);

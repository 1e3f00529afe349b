// A relay on loopback that notes every Engine.IO frame that passes it.
import http from "node:http";
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";

export async function relay(port, note) {
  const server = http.createServer(async (req, res) => {
    const body = [];
    for await (const chunk of req) body.push(chunk);
    const sent = Buffer.concat(body).toString();
    if (req.method === "POST") note({ from: "client", payload: sent });
    const up = http.request({ host: "127.0.0.1", port, path: req.url, method: req.method, headers: req.headers });
    up.on("error", () => res.destroy());
    res.on("close", () => up.destroy());
    up.end(sent);
    up.on("response", async (answer) => {
      const received = [];
      for await (const chunk of answer) received.push(chunk);
      const text = Buffer.concat(received).toString();
      if (req.method === "GET" && answer.statusCode === 200) note({ from: "server", payload: text });
      res.writeHead(answer.statusCode, answer.headers);
      res.end(text);
    });
  });

  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const pass = (from, source, target) => {
    source.on("message", (data, isBinary) => {
      note({ from, ...(isBinary ? { base64: data.toString("base64") } : { text: data.toString() }) });
      target.send(data, { binary: isBinary });
    });
    source.on("close", () => target.close());
    source.on("error", () => target.terminate());
  };
  server.on("upgrade", (req, socket, head) => {
    sockets.handleUpgrade(req, socket, head, async (down) => {
      down.pause();
      const up = new WebSocket(`ws://127.0.0.1:${port}${req.url}`, { perMessageDeflate: false });
      pass("server", up, down);
      await once(up, "open");
      pass("client", down, up);
      down.resume();
    });
  });

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

// Package e2e tests the whole path with the clients that users have: the npm
// socket.io-client over WebSocket, polling and upgrade, the Python client, and
// headless Chromium, against real nodes. It holds tests only.
package e2e

// Waits for the payment to move on: told over a WebSocket, and asking as well, since a push can be lost.

const { poll, socket } = document.getElementById("payment-status").dataset;
const DELAYS = [2000, 5000, 10_000];

let pushes = null;

function go(next) {
  if (next && next !== location.pathname) location.replace(next);
}

function listen() {
  if (pushes && pushes.readyState !== WebSocket.CLOSED) return;
  const address = new URL(socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  pushes = new WebSocket(address);
  pushes.addEventListener("message", (event) => go(JSON.parse(event.data).next));
}

async function ask(count = 0) {
  listen();
  try {
    const response = await fetch(poll, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.ok) go((await response.json()).next);
  } catch {
    // Offline, or the server is restarting: ask again.
  }
  setTimeout(ask, DELAYS[Math.min(count, DELAYS.length - 1)], count + 1);
}

listen();
setTimeout(ask, DELAYS[0], 1);

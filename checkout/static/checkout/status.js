// Waits for the payment to move on: told over a WebSocket, and asking as well, since a push can be lost.
// A page without `data-socket` only asks: it has a quicker way on, and this is for when that fails.

const { poll, socket } = document.getElementById("payment-status").dataset;
const DELAYS = [2000, 5000, 10_000];

let pushes = null;
let isLeaving = false;

function go(next) {
  if (isLeaving || !next || next === location.pathname) return;
  isLeaving = true;
  location.replace(next);
}

function listen() {
  if (!socket || (pushes && pushes.readyState !== WebSocket.CLOSED)) return;
  const address = new URL(socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  pushes = new WebSocket(address);
  pushes.addEventListener("message", (event) => go(JSON.parse(event.data).next));
}

async function ask(count) {
  listen();
  try {
    const response = await fetch(poll, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.ok) go((await response.json()).next);
  } catch {
    // Offline, or the server is restarting: ask again.
  }
  askLater(count + 1);
}

function askLater(count) {
  setTimeout(ask, DELAYS[Math.min(count, DELAYS.length - 1)], count);
}

listen();
askLater(0);

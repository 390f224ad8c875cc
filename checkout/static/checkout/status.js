// Waits for the payment to move on: told over a WebSocket, and asking as well, since a push can be lost.
// A page without `data-socket` only asks: it has a quicker way on, and this is for when that fails.

const { poll, socket } = document.getElementById("payment-status").dataset;
const DELAYS = [2000, 5000, 10_000];
const SPREAD = 0.25; // pages that a restart has cut off at the same moment do not come back at the same moment
const PATIENCE = "wait=8"; // RFC 7240: where there is no push, the answer itself may wait for news

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
    const headers = { Accept: "application/json" };
    if (pushes?.readyState !== WebSocket.OPEN) headers.Prefer = PATIENCE;
    const response = await fetch(poll, { headers, cache: "no-store" });
    if (response.ok) go((await response.json()).next);
  } catch {
    // Offline, or the server is restarting: ask again.
  }
  askLater(count + 1);
}

function askLater(count) {
  const delay = DELAYS[Math.min(count, DELAYS.length - 1)];
  setTimeout(ask, delay * (1 - SPREAD + 2 * SPREAD * Math.random()), count);
}

listen();
askLater(0);

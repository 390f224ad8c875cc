// Wait for the payment's state to change: listen on a WebSocket, and also poll, because a push can be lost.
// A page without `data-socket` only polls: it has a faster way to proceed, and this is its fallback.
// A page with `data-known` waits until the state is another one. One with `data-state` shows that state.

const { poll, socket, known, state: shown } = document.getElementById("payment-status").dataset;
const DELAYS = [2000, 5000, 10_000];
const SPREAD = 0.25; // spreads the requests of pages that a restart has disconnected at the same moment
const PATIENCE = "wait=8"; // RFC 7240: without a push, the server may delay the answer until the state changes
const [OPEN, CLOSED] = [1, 3]; // a WebSocket's states, by their values: not all browsers have the class
const ANSWER_MS = 15_000; // a network that was changed under way may stay silent for minutes

const TOLERATED = 2; // a restart of the server takes a moment, of which nobody needs to read
const noConnection = document.getElementById("no-connection");

let pushes = null;
let failures = 0;
let isLeaving = false;

function go({ state, next }) {
  if (shown && shown !== state && state === "conflicted" && !isLeaving) {
    isLeaving = true; // the same page says then that staff have to look
    location.reload();
    return;
  }
  if (isLeaving || !next || state === known || (!known && next === location.pathname)) return;
  isLeaving = true;
  location.replace(next);
}

function listen() {
  if (!socket || (pushes && pushes.readyState !== CLOSED)) return;
  const address = new URL(socket, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  try {
    pushes = new WebSocket(address);
  } catch {
    return; // forbidden or taken away in this browser: polling alone
  }
  pushes.addEventListener("message", (event) => go(JSON.parse(event.data)));
}

// AbortSignal.timeout is missing in browsers that are still in use, such as Safari 15.
function timeLimit() {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ANSWER_MS);
  return controller.signal;
}

async function ask(count) {
  listen();
  try {
    const headers = { Accept: "application/json" };
    if (pushes?.readyState !== OPEN) headers.Prefer = PATIENCE;
    const response = await fetch(poll, { headers, signal: timeLimit(), cache: "no-store" });
    failures = response.status < 500 ? 0 : failures + 1;
    if (response.ok) go(await response.json());
  } catch {
    failures += 1; // offline, a silent network, or the server is restarting: ask again
  }
  if (noConnection) noConnection.hidden = failures < TOLERATED;
  askLater(count + 1);
}

function askLater(count) {
  const delay = DELAYS[Math.min(count, DELAYS.length - 1)];
  setTimeout(ask, delay * (1 - SPREAD + 2 * SPREAD * Math.random()), count);
}

listen();
askLater(0);

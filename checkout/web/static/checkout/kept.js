// The name and the expiry date for another try at the same payment. They stay in this window, for some minutes.

const KEY = "card";
const KEPT_MS = 15 * 60_000;
const FIELDS = ["card-name", "card-expiry"];

const valueOf = (name) => document.getElementById(name).value;

/** Keep what need not be typed again if the payment is refused. Number and security code are never kept. */
export function keep(payment) {
  try {
    const values = FIELDS.map((name) => [name, valueOf(name)]);
    sessionStorage.setItem(KEY, JSON.stringify({ payment, values, at: Date.now() }));
  } catch {
    // A browser without storage: the shopper types again.
  }
}

/** Return to their fields what was kept of an earlier try at this payment. */
export function fillInAgain(payment) {
  const kept = take();
  if (kept?.payment !== payment || Date.now() - kept.at > KEPT_MS) return;
  for (const [name, value] of kept.values) document.getElementById(name).value = value;
}

/** Remove and return what was kept. */
export function take() {
  try {
    const kept = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    return JSON.parse(kept);
  } catch {
    return null;
  }
}

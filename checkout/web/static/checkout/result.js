// A decided payment: nothing of its card is kept in this window.

import { take } from "./kept.js";

take();

// A merchant's program on the generated types: create a payment, wait until it is paid, refund a part.
// It prints a line for each step, and expects API, KEY and ORDER in its environment.

import { setTimeout } from "node:timers/promises";

import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type Payment = components["schemas"]["PaymentObject"];

const PATIENCE_MS = 120_000;
const { API, KEY, ORDER } = process.env;
const client = createClient<paths>({ baseUrl: API ?? "", headers: { Authorization: `Bearer ${KEY}` } });

async function untilCaptured(reference: string): Promise<Payment> {
  const deadline = Date.now() + PATIENCE_MS;
  while (Date.now() < deadline) {
    const { data, error } = await client.GET("/api/v1/payments/{reference}", {
      params: { path: { reference }, header: { Prefer: "wait=10" } },
    });
    if (error) throw new Error(error.detail);
    if (data.state === "captured") return data;
    await setTimeout(500);
  }
  throw new Error("The payment was not paid.");
}

// A receiver of webhooks: the type of an event says which object it has.
export function capturedBy(event: components["schemas"]["WebhookEvent"]): number | undefined {
  return event.type === "payment.captured" ? event.data?.object.amounts.captured : undefined;
}

const created = await client.POST("/api/v1/payments", {
  params: { header: { "Idempotency-Key": `create-${ORDER}` } },
  body: { order_reference: `${ORDER}`, amount: 1250, currency: "GBP", description: "Tea" },
});
if (created.error) throw new Error(created.error.detail);
const { id, checkout_url } = created.data;
console.log(`open ${id} ${checkout_url}`);

const paid = await untilCaptured(id);
console.log(`${paid.state} ${paid.amounts.refundable}`);

const refund = await client.POST("/api/v1/payments/{reference}/refund", {
  params: { path: { reference: id }, header: { "Idempotency-Key": `refund-${ORDER}`, Prefer: "wait=20" } },
  body: { amount: 250, expected_refundable: 1250, reason: "one tin was broken" },
});
if (refund.error) throw new Error(refund.error.detail);
console.log(`${refund.data.object} ${refund.data.amount}`);

const none = await client.GET("/api/v1/payments/{reference}", {
  params: { path: { reference: `pay_${"0".repeat(32)}` } },
});
console.log(`${none.error?.status} ${none.error?.code}`);

// The message contract (docs/messages.md), as far as a service that takes commands needs it.

import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

// Every service that consumes a queue declares it, always with these arguments.
export const queueArguments = (prefix) => ({
  'x-queue-type': 'quorum',
  'x-delivery-limit': 20,
  'x-dead-letter-exchange': `${prefix}.dead`,
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
  'x-max-length': 100_000,
  'x-consumer-timeout': 600_000,
});

// These headers are copied to the reply, and no others: the broker obeys some, such as CC.
const travelling = new Set(['traceparent', 'tracestate', 'baggage', 'subject', 'sealed']);

const sha256 = (data) => createHash('sha256').update(data).digest();

// The proof that a message with these properties and this body must have.
export function proofOf({ properties, content }, secretKey) {
  const { messageId, type, correlationId, replyTo, headers = {} } = properties;
  const parts = [messageId, type, correlationId, replyTo, headers.subject, headers.deadline];
  const digests = [...parts.map((part) => String(part ?? '')), content].map((part) => sha256(part).toString('hex'));
  const key = sha256(`messaging.access.proofssigner${secretKey}`);
  return createHmac('sha256', key).update(digests.join(':')).digest('base64url');
}

// The reason for which the message is not handled, or nothing. The broker has checked the user. The relay
// sends what others have written, so the user alone does not show who wants it: the proof does.
export function faultOf(message, { senders, addresses, secretKeys }) {
  const { userId, type, replyTo, headers = {} } = message.properties;
  if (!senders.includes(userId)) return `${userId ?? 'nobody'} may not send ${type}`;
  if (replyTo && !addresses.includes(replyTo)) return `${userId} does not wait for replies at ${replyTo}`;
  const proof = Buffer.from(String(headers.proof ?? ''));
  const isProven = secretKeys.some((key) => {
    const expected = Buffer.from(proofOf(message, key));
    return proof.length === expected.length && timingSafeEqual(proof, expected);
  });
  return isProven ? '' : 'the message has no valid proof';
}

// The properties of the reply. The card's seal travels on with the headers, unread.
export function replyProperties({ messageId, correlationId, headers = {} }, user) {
  const copied = Object.entries(headers).filter(([name]) => travelling.has(name));
  return {
    type: 'reply',
    messageId: randomUUID(),
    correlationId,
    userId: user,
    contentType: 'application/json',
    deliveryMode: 2,
    timestamp: Math.floor(Date.now() / 1000),
    appId: 'risk-node',
    headers: { ...Object.fromEntries(copied), 'schema-version': 1, 'causation-id': messageId },
    mandatory: true,
  };
}

// The dead letter of a message: it keeps its id and loses its seal. A body that is not JSON is left out.
export function deadLetter({ properties, content }, { service, queue, user, reason }) {
  const { sealed, ...headers } = properties.headers ?? {};
  let body = content;
  try {
    JSON.parse(content.toString('utf8'));
  } catch {
    body = Buffer.from(JSON.stringify({ size: content.length, sha256: sha256(content).toString('hex') }));
  }
  return [
    body,
    {
      type: properties.type ?? 'malformed',
      messageId: properties.messageId ?? randomUUID(),
      correlationId: properties.correlationId,
      replyTo: properties.replyTo,
      userId: user,
      appId: properties.appId,
      contentType: 'application/json',
      deliveryMode: 2,
      timestamp: properties.timestamp,
      headers: {
        ...headers,
        'dead-service': service,
        'dead-queue': queue,
        'dead-reason': reason.slice(0, 500),
        'dead-sender': properties.userId ?? '',
      },
      mandatory: true,
    },
  ];
}

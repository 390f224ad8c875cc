// The risk service in JavaScript, written from docs/messages.md alone: it accepts every payment.
//
//   BROKER_URL=amqp://… CHECKOUT_PREFIX=checkout node service.mjs
//
// Prints "ready" once it consumes its queue. After SIGTERM it finishes the commands that it has begun.

import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';

const prefix = process.env.CHECKOUT_PREFIX ?? 'checkout';
const queue = `${prefix}.commands.risk`;
const PREFETCH = 20;
// The broker refuses any other user_id, and receivers check it.
const user = decodeURIComponent(new URL(process.env.BROKER_URL).username);

// Every service that consumes a queue declares it, always with these arguments.
const queueArguments = {
  'x-queue-type': 'quorum',
  'x-delivery-limit': 20,
  'x-dead-letter-exchange': `${prefix}.dead`,
  'x-dead-letter-strategy': 'at-least-once',
  'x-overflow': 'reject-publish',
  'x-max-length': 100_000,
  'x-consumer-timeout': 600_000,
};

// These headers belong to one message. Every other header is copied to the reply, even if unknown.
const ownHeaders = new Set(['deadline', 'schema-version', 'causation-id', 'proof']);
const brokersHeaders = /^x-(death|first-death-|last-death-|delivery-count|acquired-count|opt-)/;

function assess(message) {
  const command = JSON.parse(message.content.toString('utf8'));
  if (message.properties.type !== 'risk.assess' || typeof command.payment !== 'string') {
    return { ok: false, error: { code: 'malformed_message', message: 'not a risk.assess', retryable: false } };
  }
  return { ok: true, result: { decision: 'accept', reasons: [] } };
}

function answer(message) {
  try {
    return assess(message);
  } catch (error) {
    return { ok: false, error: { code: 'malformed_message', message: error.message, retryable: false } };
  }
}

function replyProperties({ messageId, correlationId, headers = {} }) {
  const travelling = Object.entries(headers).filter(
    ([name]) => !ownHeaders.has(name) && !brokersHeaders.test(name),
  );
  return {
    type: 'reply',
    messageId: randomUUID(),
    correlationId,
    userId: user,
    contentType: 'application/json',
    deliveryMode: 2,
    timestamp: Math.floor(Date.now() / 1000),
    appId: 'node-risk-service',
    headers: { ...Object.fromEntries(travelling), 'schema-version': 1, 'causation-id': messageId },
    mandatory: true,
  };
}

const connection = await connect(process.env.BROKER_URL, { noDelay: true });
const channel = await connection.createConfirmChannel();
// A returned reply means that the caller has gone. Its confirm follows, so nothing is to be done.
channel.on('return', () => {});

async function handle(message) {
  if (message === null) process.exit(1); // the queue was deleted: exit, to be restarted
  const { replyTo } = message.properties;
  if (replyTo) {
    const body = Buffer.from(JSON.stringify(answer(message)));
    await new Promise((resolve, reject) => {
      channel.publish(`${prefix}.replies`, replyTo, body, replyProperties(message.properties), (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }
  channel.ack(message);
}

await channel.assertQueue(queue, { durable: true, arguments: queueArguments });
await channel.bindQueue(queue, `${prefix}.commands`, 'risk');
await channel.prefetch(PREFETCH);

const underWay = new Set();
const { consumerTag } = await channel.consume(queue, (message) => {
  const handling = handle(message)
    // The reply was nacked, so the command must be redelivered.
    .catch(() => channel.reject(message, true))
    .finally(() => underWay.delete(handling));
  underWay.add(handling);
});

process.on('SIGTERM', async () => {
  await channel.cancel(consumerTag);
  await Promise.allSettled(underWay);
  await channel.close(); // sends the last acknowledgement first, which closing the connection could lose
  await connection.close();
});

console.log('ready');

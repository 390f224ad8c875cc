// A risk service in JavaScript, written from docs/messages.md and docs/schemas/ alone.
//
//   BROKER_URL=amqp://… SECRET_KEY=… node service.mjs
//
// It refuses payments over LIMIT_MINOR. Prints "ready" once it consumes its queue. After SIGTERM it finishes
// the commands that it has begun. If it loses the connection, it ends with code 1, to be started again.

import { connect } from 'amqplib';
import { deadLetter, faultOf, queueArguments, replyProperties } from './contract.mjs';

const prefix = process.env.CHECKOUT_PREFIX ?? 'checkout';
const limit = Number(process.env.LIMIT_MINOR ?? 1_000_000);
if (!Number.isSafeInteger(limit)) throw new Error('LIMIT_MINOR is no whole number, so nothing would be refused');
const queue = `${prefix}.commands.risk`;
const PREFETCH = 20;
const broker = new URL(process.env.BROKER_URL);
// Otherwise the broker's 60 s apply: a connection that has died in silence would be noticed after minutes.
broker.searchParams.set('heartbeat', '10');
// The broker refuses any other user_id, and receivers check it.
const user = decodeURIComponent(broker.username);
const rights = {
  // The orchestrator asks, or the relay in its stead; both want the answer in the orchestrator's queue.
  senders: [`${prefix}.checkout`, `${prefix}.relay`],
  addresses: [`${prefix}.replies.saga`],
  secretKeys: [process.env.SECRET_KEY, ...(process.env.SECRET_KEY_FALLBACKS ?? '').split(',')].filter(Boolean),
};
if (!rights.secretKeys.length) throw new Error('SECRET_KEY is not set, so no command could be believed');

class Malformed extends Error {}

// The fields of docs/schemas/risk.assess.json that this service needs. The message is open: others are ignored.
function read({ properties, content }) {
  if (properties.type !== 'risk.assess') throw new Malformed(`risk does not handle ${properties.type}`);
  if (properties.contentType !== 'application/json') throw new Malformed('the content_type is not JSON');
  let command;
  try {
    command = JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw new Malformed(error.message);
  }
  const isUnderstood =
    typeof command?.payment === 'string' &&
    Number.isSafeInteger(command.minor) &&
    typeof command.currency === 'string';
  if (!isUnderstood) throw new Malformed('not a risk.assess');
  return command;
}

// The decision follows from the command alone, so a command that comes again gets the same answer. A service
// that counts or stores something records each message_id in the transaction of what it stores.
function assess({ minor }) {
  return minor > limit ? { decision: 'reject', reasons: ['over_limit'] } : { decision: 'accept', reasons: [] };
}

const connection = await connect(broker.href, { noDelay: true });
const channel = await connection.createConfirmChannel();
// A returned reply means that the caller has gone. Its confirm follows, so nothing is to be done.
channel.on('return', () => {});
let isEnding = false;
connection.on('error', (error) => console.error(error.message));
connection.on('close', (error) => {
  if (!isEnding) console.error(`connection lost: ${error?.message ?? 'closed'}`);
  process.exit(isEnding ? 0 : 1);
});

const publish = (exchange, key, body, properties) =>
  new Promise((resolve, reject) => {
    channel.publish(exchange, key, body, properties, (error) => (error ? reject(error) : resolve()));
  });

async function giveUp(message, reason) {
  console.error(`dead letter: ${reason}`);
  const [body, properties] = deadLetter(message, { service: 'risk', queue, user, reason });
  await publish(`${prefix}.dead`, '', body, properties);
}

async function reply(message, answer) {
  const { replyTo } = message.properties;
  if (!replyTo) return;
  const body = Buffer.from(JSON.stringify(answer));
  await publish(`${prefix}.replies`, replyTo, body, replyProperties(message.properties, user));
}

async function handle(message) {
  if (message === null) process.exit(1); // the queue was deleted: exit, to be started again
  const fault = faultOf(message, rights);
  if (fault) {
    await giveUp(message, `not entitled: ${fault}`);
  } else {
    try {
      await reply(message, { ok: true, result: assess(read(message)) });
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      await giveUp(message, error.message);
      await reply(message, {
        ok: false,
        error: { code: 'malformed_message', message: error.message, retryable: false },
      });
    }
  }
  channel.ack(message); // last: after the confirm of everything that the message has caused
}

await channel.assertQueue(queue, { durable: true, arguments: queueArguments(prefix) });
await channel.bindQueue(queue, `${prefix}.commands`, 'risk');
await channel.prefetch(PREFETCH);

const underWay = new Set();
const { consumerTag } = await channel.consume(queue, (message) => {
  const handling = handle(message)
    // A reply was nacked, so the command must be delivered again.
    .catch(() => channel.reject(message, true))
    .finally(() => underWay.delete(handling));
  underWay.add(handling);
});

process.on('SIGTERM', async () => {
  isEnding = true;
  await channel.cancel(consumerTag);
  await Promise.allSettled(underWay);
  await channel.close(); // sends the last acknowledgement first, which closing the connection could lose
  await connection.close();
});

console.log('ready');

// The same with the gateway's guarantees: confirmed, mandatory, persistent, a quorum queue for commands, a
// durable queue for replies. As in the gateway, the reply is proof enough: the confirm is not waited for, but a
// nack or a return ends the wait.

const { randomUUID } = require('node:crypto');
const { EventEmitter } = require('node:events');
const http = require('node:http');
const amqp = require('amqplib');

const REPLY_MILLISECONDS = 1000 * Number(process.env.REPLY_SECONDS ?? 30);

async function main() {
  const replies = new EventEmitter();
  const connection = await amqp.connect(process.env.BROKER_URL, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('benchmark', { arguments: { 'x-queue-type': 'quorum' } });
  const { queue: replyTo } = await channel.assertQueue(`replies.${randomUUID()}`, { expires: 300_000 });
  await channel.consume(
    replyTo,
    (message) => replies.emit(message.properties.correlationId, null, message.content),
    { noAck: true },
  );
  channel.on('return', (message) => replies.emit(message.properties.correlationId, new Error('returned')));

  function ask(command, response) {
    const id = randomUUID();
    const timer = setTimeout(() => {
      replies.removeAllListeners(id);
      response.writeHead(504).end();
    }, REPLY_MILLISECONDS);
    replies.once(id, (error, result) => {
      clearTimeout(timer);
      if (error) {
        response.writeHead(503).end();
        return;
      }
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': result.length });
      response.end(result);
    });
    const properties = {
      correlationId: id,
      messageId: id,
      replyTo,
      contentType: 'application/json',
      persistent: true,
      mandatory: true,
    };
    channel.sendToQueue('benchmark', command, properties, (error) => {
      if (error) {
        replies.emit(id, error);
      }
    });
  }

  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const command = Buffer.concat(chunks);
      try {
        JSON.parse(command);
      } catch {
        response.writeHead(400).end();
        return;
      }
      ask(command, response);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(Number(process.env.PORT), '127.0.0.1', 4096);
}

main();

// Requests wait on an EventEmitter for the reply that carries their id: the design as it is commonly written.

const { randomUUID } = require('node:crypto');
const { EventEmitter } = require('node:events');
const http = require('node:http');
const amqp = require('amqplib');

const REPLY_MILLISECONDS = 1000 * Number(process.env.REPLY_SECONDS ?? 30);

async function main() {
  const replies = new EventEmitter();
  const connection = await amqp.connect(process.env.BROKER_URL, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.assertQueue('benchmark');
  const { queue: replyTo } = await channel.assertQueue('', { exclusive: true });
  await channel.consume(
    replyTo,
    (message) => replies.emit(message.properties.correlationId, message.content),
    { noAck: true },
  );

  function ask(command, response) {
    const id = randomUUID();
    const timer = setTimeout(() => {
      replies.removeAllListeners(id);
      response.writeHead(504).end();
    }, REPLY_MILLISECONDS);
    replies.once(id, (result) => {
      clearTimeout(timer);
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': result.length });
      response.end(result);
    });
    channel.sendToQueue('benchmark', command, {
      correlationId: id,
      replyTo,
      contentType: 'application/json',
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

const amqp = require('amqplib');

const HOLD_MILLISECONDS = 1000 * Number(process.env.HOLD_SECONDS ?? 0);

async function main() {
  const connection = await amqp.connect(process.env.BROKER_URL, { noDelay: true });
  const channel = await connection.createChannel();
  await channel.assertQueue('benchmark');
  await channel.prefetch(Number(process.env.PREFETCH ?? 1000));

  function reply(message) {
    const result = { ...JSON.parse(message.content), status: 'done' };
    const { replyTo, correlationId } = message.properties;
    channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(result)), {
      correlationId,
      contentType: 'application/json',
    });
    channel.ack(message);
  }

  await channel.consume('benchmark', (message) => {
    if (HOLD_MILLISECONDS) {
      setTimeout(reply, HOLD_MILLISECONDS, message);
    } else {
      reply(message);
    }
  });
}

main();

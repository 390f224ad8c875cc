// The reply is persistent, mandatory and confirmed, and the command is acknowledged only then.

const amqp = require('amqplib');

const HOLD_MILLISECONDS = 1000 * Number(process.env.HOLD_SECONDS ?? 0);

async function main() {
  const connection = await amqp.connect(process.env.BROKER_URL, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('benchmark', { arguments: { 'x-queue-type': 'quorum' } });
  await channel.prefetch(Number(process.env.PREFETCH ?? 1000));

  function reply(message) {
    const result = { ...JSON.parse(message.content), status: 'done' };
    const { replyTo, correlationId } = message.properties;
    const properties = {
      correlationId,
      messageId: correlationId,
      contentType: 'application/json',
      persistent: true,
      mandatory: true,
    };
    channel.sendToQueue(replyTo, Buffer.from(JSON.stringify(result)), properties, (error) => {
      if (error) {
        channel.nack(message);
      } else {
        channel.ack(message);
      }
    });
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

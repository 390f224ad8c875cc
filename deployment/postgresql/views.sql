-- Views for those who look with SQL (docs/monitoring.md#sql). Run this as the user who owns the tables; repeat it
-- after each release. Nothing of the gateway reads the views.
CREATE SCHEMA IF NOT EXISTS gateway_operations;

-- Each flow that has not ended, as `manage.py gateway flows` lists it.
DROP VIEW IF EXISTS gateway_operations.flows;
CREATE VIEW gateway_operations.flows AS
SELECT saga.id AS number,
       saga.kind,
       saga.key,
       payment.reference AS payment,
       merchant.code AS merchant,
       saga.status,
       saga.step,
       saga.updated_at AS since,
       saga.created_at AS begun_at,
       saga.deadline_at,
       (SELECT count(*) FROM payments_sagastep AS asked WHERE asked.saga_id = saga.id AND asked.name = saga.step)
           AS tries,
       CASE WHEN saga.status = 'parked' THEN (
           SELECT fact.data ->> 'why'
           FROM payments_fact AS fact
           WHERE fact.payment_id = saga.payment_id
             AND fact.attempt_id IS NOT DISTINCT FROM saga.attempt_id
             AND fact.kind = 'saga_parked'
             AND fact.data ->> 'saga' = saga.kind
             AND fact.data ->> 'step' = saga.step
           ORDER BY fact.id DESC
           LIMIT 1
       ) ELSE (
           SELECT answered.outcome
           FROM payments_sagastep AS answered
           WHERE answered.saga_id = saga.id AND answered.name = saga.step AND answered.outcome LIKE 'error%'
           ORDER BY answered.sent_at DESC, answered.id DESC
           LIMIT 1
       ) END AS error
FROM payments_saga AS saga
JOIN payments_payment AS payment ON payment.id = saga.payment_id
JOIN payments_merchant AS merchant ON merchant.id = payment.merchant_id
WHERE saga.status IN ('running', 'parked');

-- The messages that a relay should have published.
DROP VIEW IF EXISTS gateway_operations.late_messages;
CREATE VIEW gateway_operations.late_messages AS
SELECT message_id, type, subject, created_at, available_at AS due_at, attempts, last_error
FROM payments_outboxmessage
WHERE published_at IS NULL AND (available_at < statement_timestamp() - interval '30 seconds' OR attempts > 0);

"""The resources: payments, operations, events, payment links, saved cards, webhook endpoints, deliveries."""

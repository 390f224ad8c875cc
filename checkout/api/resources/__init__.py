"""The resources: payments, their operations, events, webhook endpoints and their deliveries."""

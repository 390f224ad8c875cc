"""The pages of webhooks: merchants' endpoints, and the deliveries to them."""

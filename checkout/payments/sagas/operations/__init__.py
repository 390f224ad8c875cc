"""The sagas of captures, voids, refunds and charge-backs."""

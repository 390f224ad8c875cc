"""The resources: payments, their operations, and events. Those of webhook endpoints belong here, too."""

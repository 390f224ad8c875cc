"""The receipts service: e-mails to shoppers, and their table."""

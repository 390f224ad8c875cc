"""Actions of shoppers on the pages: see a payment, submit a card, and return from a challenge."""

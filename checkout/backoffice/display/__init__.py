"""Values, words and the story of a payment, as staff read them."""

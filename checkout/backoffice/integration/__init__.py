"""Pages about the API: keys, stored answers, events and payment links."""

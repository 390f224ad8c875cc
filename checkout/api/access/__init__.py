"""Access to the API: keys, their scopes, and limits on their use."""

"""The keys of the installation. All processes must have the newest key of each kind."""

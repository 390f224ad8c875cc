"""The keys of the installation: all of its processes must know the newest one of each kind."""

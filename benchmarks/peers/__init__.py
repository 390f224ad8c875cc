"""Programs that do the same work with other technologies, run in the benchmarks' virtual environment."""

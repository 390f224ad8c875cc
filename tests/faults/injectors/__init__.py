"""What breaks things, by what is broken; `table` has every fault by its number."""

"""The injectors, in modules named after the part that they break. `table` lists every fault by its number."""

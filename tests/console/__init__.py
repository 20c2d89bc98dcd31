"""The console, over a store with invented records and without far systems."""

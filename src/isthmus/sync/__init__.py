"""The engine: observe each system, match, merge into one hub record, plan what every other system must get, apply it,
remember what both sides agreed on. Level-triggered: what must be written is always computed from state."""

"""The tests of Isthmus: unit, property, contract, integration, simulation, e2e, tidy."""

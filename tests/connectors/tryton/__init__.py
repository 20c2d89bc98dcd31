"""Tests of the Tryton connector."""

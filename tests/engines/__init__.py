"""Tests of the engines: their registry, their leases, and every adapter."""

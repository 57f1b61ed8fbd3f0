"""Predict pictures that were never in a workspace: find them, label each, say how it went."""

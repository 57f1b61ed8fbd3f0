"""Prediction with trained weights."""

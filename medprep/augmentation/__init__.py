"""Augmentation: draw a plan, then apply it to picture and labels alike."""

"""Training: options, slices in memory, the loss, and a loop that can be stopped and goes on."""

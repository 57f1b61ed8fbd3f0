"""Train a net that answers clicks: cubes around organs, simulated clicks, a loss for each."""

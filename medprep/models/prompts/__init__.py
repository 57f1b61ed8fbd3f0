"""What a net that answers clicks sees, and clicks as a person would make them.

Training and inference share it: `framing` cuts cubes, `grids` takes voxels of one grid from
another, `clicks` draws the next click from what is wrong.
"""

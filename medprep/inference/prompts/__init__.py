"""Mark organs in a volume by points, with SAM-Med3D.

::

    from medprep.inference.prompts.painting import paint
    from medprep.inference.prompts.points import Point
    from medprep.inference.prompts.tiling import PromptedVolume

    prompted = PromptedVolume(net, volume)                  # volume: medprep's, on its own grid
    marked = prompted.mark([Point((-12.0, 34.0, 56.0))])    # LPS millimetres
    labels = paint({1: marked}, volume.geometry)            # 1 where the organ is

The way of the authors' own inference, which needs a reference to cut the volume around, is
`official_frame` of `medprep.models.prompts.framing`, `segment.simulate`, `official_back`.
"""

"""medprep: from a folder of DICOM with organ masks to a trained model and a Dice to trust."""

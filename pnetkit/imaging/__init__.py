"""Images in and out: NIfTI files, orientation, intensity, boxes."""

"""CT series from a folder, findings back to it: the only place that knows pydicom and highdicom (extra `dicom`)."""

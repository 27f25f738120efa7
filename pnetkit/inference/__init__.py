"""From a trained network and a scan to a label for each voxel: windows, votes, features."""

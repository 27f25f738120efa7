"""3D U-Net (Cicek et al., MICCAI 2016)."""

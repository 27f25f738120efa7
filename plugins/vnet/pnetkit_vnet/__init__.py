"""V-Net (Milletari et al., 3DV 2016)."""

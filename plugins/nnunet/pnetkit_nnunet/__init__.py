"""The networks behind nnU-Net as pnetkit backbones."""

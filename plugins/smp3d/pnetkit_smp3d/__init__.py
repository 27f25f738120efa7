"""Networks of segmentation-models-pytorch-3d as pnetkit backbones."""

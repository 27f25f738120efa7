"""Networks of MONAI as pnetkit backbones."""

"""Networks of blocks with finitely many channels, at initialisation: outputs, gradients and tangent kernels."""

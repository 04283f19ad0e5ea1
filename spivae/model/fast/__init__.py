"""The fast form of the model on a CPU: the same numbers as the readable one, two to three times sooner.

Where the time of the readable form goes is memory and small kernels, so this one
- keeps activations as rows (L * B, channels), one for each position of each trajectory, where a dilated
  convolution is a few matrix products of shifted rows, and nothing is ever transposed (`trunk`, `rows`);
- folds layers without a nonlinearity between them into one (`folding`);
- works through a batch in parts small enough for the caches, each thread on parts of its own (`threads`),
  in memory and with views that are kept for the next part (`plans`);
- has its backward pass written by hand, with plain autograd between the convolutions.

`spivae.model.paths` says whether a model can take it; `step` has the entry points.
"""

"""Models: a `Classifier` on a pre-trained `Backbone`, as training, attacks and evaluation use it."""

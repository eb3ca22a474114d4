"""Models as the rest of Temper sees them: a `Classifier` over a pre-trained `Backbone`."""

"""Training: samples whose targets keep to their images, losses and the loop."""

"""Time-frequency masks: domains, masked classifiers, the mask decoder."""
